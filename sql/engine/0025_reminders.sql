-- What status reminds of until it is mended.
alter table cdc.container
    add column leases_written_at timestamptz,
    add column leases_start timestamptz;
comment on column cdc.container.leases_written_at is 'When the host wrote the leases of the feed that were seen last, by the clock of the source.';
comment on column cdc.container.leases_start is 'Where the feed began with these leases: -infinity is its first document.';

create table cdc.failed_batch (
    container text primary key,
    -- Our own sentence, or the name of an exception: neither quotes a document.
    problem text not null,
    since timestamptz not null default now(),
    last_at timestamptz not null default now()
);
comment on table cdc.failed_batch is 'The newest failure of a batch of each live feed, and since when batches fail.';

create table cdc.problem (
    code text not null,
    -- Empty for what concerns the whole app.
    container text not null,
    since timestamptz not null default now(),
    primary key (code, container)
);
comment on table cdc.problem is 'The problems that the timer has seen last, and since when.';

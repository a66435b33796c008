-- A tombstone from a 404 has the server's time of the answer, not that of the delete.
alter table cdc.document add column absence boolean not null default false;
comment on column cdc.document.absence is 'A tombstone whose ts is the time at which the source said that the document is gone.';

alter table cdc.dead_letter
    -- Grows with every change of the letter: who read a document again answers only the letter that was there before.
    add column revision bigint not null default 0,
    -- The row that must come or go before the document can be applied.
    add column wanted_table text,
    add column wanted_key text,
    -- Since when the source gives an answer that must be repeated before it is believed.
    add column doubted_at timestamptz,
    add column claimed_until timestamptz;
create index dead_letter_wanted on cdc.dead_letter (wanted_table, wanted_key) where wanted_key is not null;

create table cdc.container (
    container text primary key,
    account text not null,
    rid text not null,
    partition_key_paths text[] not null,
    adopted_at timestamptz not null default now()
);
comment on table cdc.container is 'The source containers that were seen first, or adopted since.';

create table cdc.observation (
    container text not null,
    kind text not null check (kind in ('unknown', 'ambiguous')),
    path text not null,
    documents bigint not null,
    first_seen_at timestamptz not null default now(),
    last_seen_at timestamptz not null default now(),
    primary key (container, kind, path)
);
comment on table cdc.observation is 'Properties that no mapper knows, and values that were read by a rule of ours, counted by path.';

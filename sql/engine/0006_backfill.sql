create table cdc.backfill (
    id text primary key,
    state text not null default 'running' check (state in ('running', 'paused', 'completed', 'cancelled')),
    -- Grows whenever somebody else is to do the work: what the one before still writes is refused.
    generation integer not null default 0,
    max_request_units_per_second double precision,
    max_parallel_ranges integer not null,
    page_size integer not null,
    reapply boolean not null,
    dry_run boolean not null,
    problem text,
    started_at timestamptz not null default now(),
    finished_at timestamptz,
    -- Up to when the request units that were asked for last all the ranges at their pace.
    paced_to timestamptz not null default now(),
    -- Since when its speed is measured, and what was done before.
    measured_at timestamptz not null default now(),
    measured_read bigint not null default 0,
    measured_request_units double precision not null default 0
);
comment on table cdc.backfill is 'Copies of what containers held before the live feed began: asked for, running, over.';

create table cdc.backfill_container (
    backfill text not null references cdc.backfill on delete cascade,
    container text not null,
    running boolean not null default true,
    -- Counted, and read from the clock of the source, when the copy began.
    documents bigint,
    source_ts bigint,
    primary key (backfill, container)
);
create unique index backfill_container_running on cdc.backfill_container (container) where running;
comment on table cdc.backfill_container is 'The containers of a backfill. At most one backfill runs or is paused for each.';

create table cdc.backfill_range (
    number bigint generated always as identity primary key,
    backfill text not null,
    container text not null,
    range_min text not null,
    range_max text not null,
    state text not null default 'waiting' check (state in ('waiting', 'completed', 'split')),
    lane integer,
    continuation text,
    read bigint not null default 0,
    applied bigint not null default 0,
    stale bigint not null default 0,
    undecided bigint not null default 0,
    parked bigint not null default 0,
    request_units double precision not null default 0,
    problem text,
    updated_at timestamptz not null default now(),
    unique (backfill, container, range_min, range_max),
    foreign key (backfill, container) references cdc.backfill_container on delete cascade
);
comment on table cdc.backfill_range is 'How far a feed range is, and what became of its documents, written in the transaction of their rows.';

create table cdc.backfill_finding (
    backfill text not null references cdc.backfill on delete cascade,
    container text not null,
    kind text not null,
    path text not null,
    documents bigint not null,
    primary key (backfill, container, kind, path)
);
comment on table cdc.backfill_finding is 'What a backfill that writes nothing would park, and the properties that no mapper knows, by path.';

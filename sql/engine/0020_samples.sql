-- How far each feed is behind and how much there is on both sides, minute by minute.
create table cdc.sample (
    container text not null,
    at timestamptz not null default now(),
    -- Null where `unknown` says why the leases did not tell.
    lag_seconds double precision,
    backlog bigint,
    unknown text,
    -- Null where nobody could tell.
    source_documents bigint,
    documents bigint,
    unmapped bigint,
    parked bigint not null,
    -- All changes since the first one; only differences say something.
    applied bigint not null,
    primary key (container, at)
);
comment on table cdc.sample is 'Lag and counts of each container, one row in about a minute, kept for days.';

-- One count of the whole ledger by container, state and type: an array of arrays.
create table cdc.ledger_count (
    one boolean primary key default true check (one),
    counts jsonb not null,
    counted_at timestamptz not null default now()
);
comment on table cdc.ledger_count is 'The newest count of the ledger, because a large one takes long to count.';

-- Each connection of the app has a row of its own, so that no transaction waits for another one.
create table cdc.applied (
    container text not null,
    -- The process id of the server, or 0 for those that are over.
    writer integer not null,
    changes bigint not null,
    last_at timestamptz not null default now(),
    primary key (container, writer)
);
comment on table cdc.applied is 'How many changes were applied, and when the last one was.';

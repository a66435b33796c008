create table cdc.reconciliation (
    id bigint not null,
    container text not null,
    mode text not null check (mode in ('counts', 'keys', 'deep')),
    repair boolean not null,
    -- How many documents are mapped again; null for all.
    sample integer,
    max_request_units double precision not null,
    state text not null default 'running' check (state in ('running', 'completed', 'behind', 'failed')),
    message text,
    -- What is left to do: a run goes on from here, whatever process it is in.
    progress jsonb not null default '{}',
    report jsonb not null default '{}',
    started_at timestamptz not null default now(),
    finished_at timestamptz,
    primary key (id, container)
);
create sequence cdc.reconciliation_id owned by cdc.reconciliation.id;
-- Never two runs of one container.
create unique index reconciliation_running on cdc.reconciliation (container) where state = 'running';
create index reconciliation_newest on cdc.reconciliation (container, id);
comment on table cdc.reconciliation is 'Comparisons of Cosmos and PostgreSQL: what runs, and what each found.';

create table cdc.drift (
    number bigint generated always as identity primary key,
    reconciliation bigint not null,
    container text not null,
    -- Of a row that no document claims: SHA-256 of its table and its key.
    key bytea not null,
    partition_key text,
    id text,
    row_table text,
    row_key text,
    kind text not null check (kind in ('missing', 'stale', 'orphaned', 'different', 'unclaimed')),
    -- What the ledger held when the document was suspected; null when it held nothing.
    ts bigint,
    lsn bigint,
    etag text,
    held_state text,
    absence boolean,
    found_etag text,
    suspected_at timestamptz not null default now(),
    since timestamptz not null default now(),
    state text not null default 'suspected' check (state in ('suspected', 'drift', 'repaired', 'left', 'dropped')),
    unique (reconciliation, container, key),
    foreign key (reconciliation, container) references cdc.reconciliation (id, container) on delete cascade
);
create index drift_document on cdc.drift (container, key);
comment on table cdc.drift is 'Documents and rows that differ, or seemed to; as sensitive as the ledger.';

create table cdc.rotation (
    container text primary key,
    -- Where the next comparison of keys begins; null for the beginning of the history.
    next_ts bigint,
    began_at timestamptz not null default now(),
    completed_at timestamptz,
    -- Where the next count begins, when the last one ended for want of request units.
    count_ts bigint
);
comment on table cdc.rotation is 'How far the keys of a container are compared: all since began_at up to next_ts.';

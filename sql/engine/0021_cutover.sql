-- The rehearsals and runs of the cut-over, and the watch on Cosmos after it.
create table cdc.cutover (
    number bigint generated always as identity primary key,
    kind text not null check (kind in ('rehearsal', 'run')),
    state text not null default 'running' check (state in ('running', 'completed', 'aborted')),
    -- Of the process that works on it now: whoever takes it over or aborts it writes another one.
    token uuid not null,
    started_at timestamptz not null default now(),
    finished_at timestamptz,
    by text not null default session_user,
    progress jsonb not null,
    -- Why the last process stopped.
    problem text
);
create unique index cutover_running on cdc.cutover (kind) where state = 'running';
comment on table cdc.cutover is 'Rehearsals and runs of the cut-over: how far each is, how long its steps took, and what it has proven.';

create table cdc.watch (
    container text primary key,
    positions jsonb not null,
    since timestamptz not null default now(),
    looked_at timestamptz
);
comment on table cdc.watch is 'Where the watch on Cosmos reads on, since the cut-over.';

-- Identities, as in the ledger. One row for each document, so that it never outgrows the ledger.
create table cdc.forgotten_write (
    key bytea primary key,
    container text not null,
    partition_key text not null,
    id text not null,
    etag text not null,
    ts bigint not null,
    writes bigint not null default 1,
    first_seen_at timestamptz not null default now(),
    last_seen_at timestamptz not null default now(),
    accepted_at timestamptz
);
comment on table cdc.forgotten_write is 'Documents that somebody has written to Cosmos since the cut-over. None of these writes is applied.';

-- Our own state. Drop this schema and nothing of us is left in the database.
create schema if not exists cdc;

create table cdc.document (
    key bytea primary key,
    container text not null,
    partition_key text not null,
    id text not null,
    ts bigint not null,
    lsn bigint,
    etag text not null,
    row_key text,
    -- What the last write replaced: an upsert can return it, which PostgreSQL before 18 cannot do with old values.
    abandoned_row_key text,
    state text not null check (state in ('applied', 'parked', 'deleted')),
    applied_at timestamptz not null default now(),
    constraint document_row_key_unique unique (container, row_key) deferrable initially deferred
);
create index document_container_ts on cdc.document (container, ts);
comment on table cdc.document is 'The ledger: one row for every source document ever seen.';
comment on column cdc.document.key is 'SHA-256 of the canonical JSON of [container, partition key, id].';
comment on column cdc.document.row_key is 'Primary key of the root row last written, as a JSON array; null when there is none.';

create table cdc.dead_letter (
    number bigint generated always as identity unique,
    key bytea primary key,
    container text not null,
    partition_key text not null,
    id text not null,
    ts bigint not null,
    lsn bigint,
    etag text not null,
    kind text not null check (kind in ('mapping', 'data', 'conflict', 'missing_parent', 'undecided')),
    path text not null,
    message text not null,
    state text not null default 'waiting' check (state in ('waiting', 'exhausted', 'discarded')),
    attempts integer not null default 0,
    next_attempt_at timestamptz,
    parked_at timestamptz not null default now()
);
create index dead_letter_due on cdc.dead_letter (next_attempt_at) where state = 'waiting';
comment on table cdc.dead_letter is 'Documents that must be read again, and why. No document body is kept.';

-- Cache keys of changed rows: noted by the transaction that changes them, deleted when the keys are removed from Redis.
create table cdc.invalidation (
    id bigint generated always as identity primary key,
    -- Without the prefix of REDIS_INSTANCE_NAME. They may hold e-mails: nobody but the app may read them.
    keys text[] not null,
    noted_at timestamptz not null default now()
);
comment on table cdc.invalidation is 'Keys of the application''s cache that are still to be removed.';

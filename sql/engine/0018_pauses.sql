-- What the breaker counts, and the feeds that went on while their container was paused.
create table cdc.recent_batch (
    number bigint generated always as identity primary key,
    container text not null,
    at timestamptz not null default now(),
    documents bigint[] not null,
    parked bigint[] not null
);
create index recent_batch_at on cdc.recent_batch (container, at);
create index recent_batch_parked on cdc.recent_batch (container, at) where parked <> '{}';
comment on table cdc.recent_batch is 'What live feeds delivered within the last minutes, as hashes, and what of it mappers parked.';

alter table cdc.container
    add column skipped_at timestamptz,
    add column skip_problem text;
comment on column cdc.container.skipped_at is 'When the feed was seen to have gone on although its container was paused.';

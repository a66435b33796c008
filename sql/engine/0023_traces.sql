-- The traces of requests continue in the work that they start (cdc/telemetry).
alter table cdc.backfill add column traceparent text;
comment on column cdc.backfill.traceparent is 'The trace of the request that started it, if it was recorded.';

alter table cdc.reconciliation add column traceparent text;
comment on column cdc.reconciliation.traceparent is 'The trace of the request or timer that began it, if it was recorded.';

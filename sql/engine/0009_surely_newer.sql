-- The one rule by which a version is newer than another whatever the clocks: its second is later, and its lsn, where
-- both are known, is not smaller. cdc/core/ordering.py says the same.
create function cdc.surely_newer(ts bigint, lsn bigint, than_ts bigint, than_lsn bigint) returns boolean
language sql immutable parallel safe as $$ select ts > than_ts and coalesce(lsn >= than_lsn, true) $$;

-- Named statements. A line "-- name: x" begins a statement, the comment lines after it describe it.

-- name: read_versions
-- The unlocked read that drops what is stale before anything is mapped.
select key, ts, lsn, etag from cdc.document where key = any(%(keys)b);

-- name: upsert_documents
-- The ledger under its version guard, in key order, which is the lock order of all writers. Returns the winners.
-- The guard is the NEWER verdict of cdc/version.py. The source is what cdc/stage.py has sent.
insert into cdc.document as held (key, container, partition_key, id, ts, lsn, etag, row_key, state)
select s.key, s.container, s.partition_key, s.id, s.ts, s.lsn, s.etag, s.row_key, s.state
from {source}
order by s.key
on conflict (key) do update set
    ts = excluded.ts,
    lsn = excluded.lsn,
    etag = excluded.etag,
    row_key = case when excluded.state = 'parked' then held.row_key else excluded.row_key end,
    abandoned_row_key = case
        when excluded.state <> 'parked' and held.row_key is distinct from excluded.row_key then held.row_key
    end,
    state = excluded.state,
    applied_at = now()
where (excluded.ts > held.ts and coalesce(excluded.lsn >= held.lsn, true))
   or (excluded.ts = held.ts and excluded.etag <> held.etag and excluded.lsn > held.lsn)
returning key, abandoned_row_key;

-- name: lock_letters
-- The letters that a transaction will clear or replace, in the lock order of all writers.
select from cdc.dead_letter where key = any(%(keys)b) order by key for update;

-- name: park
-- One letter for each document. An undecided letter stays until a newer version replaces it: it alone knows
-- that the ledger's version may not be the newest. Of several it keeps the greatest ts and lsn, so that only a version
-- that is surely newer than all of them answers it.
insert into cdc.dead_letter as held
    (key, container, partition_key, id, ts, lsn, etag, kind, path, message, next_attempt_at)
values (
    %(key)s, %(container)s, %(partition_key)s, %(id)s, %(ts)s, %(lsn)s, %(etag)s, %(kind)s, %(path)s, %(message)s,
    case
        when %(kind)s = 'undecided' then to_timestamp(%(ts)s + 2)
        when %(kind)s in ('conflict', 'missing_parent') then now() + interval '1 minute'
    end
)
on conflict (key) do update set
    ts = greatest(excluded.ts, case excluded.kind when 'undecided' then held.ts end),
    lsn = greatest(excluded.lsn, case excluded.kind when 'undecided' then held.lsn end),
    etag = excluded.etag, kind = excluded.kind, path = excluded.path, message = excluded.message, state = 'waiting',
    attempts = 0, next_attempt_at = excluded.next_attempt_at, parked_at = now()
where held.kind <> 'undecided' or excluded.kind = 'undecided'
   or (excluded.ts > held.ts and coalesce(excluded.lsn >= held.lsn, true));

-- name: clear_letters
-- A version that applied answers the letters of the versions before it; an undecided one must be surely before it.
delete from cdc.dead_letter l
using unnest(%(keys)b::bytea[], %(ts)b::bigint[], %(lsns)b::bigint[]) as s (key, ts, lsn)
where l.key = s.key and (l.kind <> 'undecided' or (s.ts > l.ts and coalesce(s.lsn >= l.lsn, true)));

-- name: count_documents
-- What the ledger holds, by container and state.
select container, state, count(*) as documents, max(ts) as newest_ts from cdc.document group by container, state;

-- name: count_letters
-- What waits to be read again, by container, kind and state.
select container, kind, state, count(*) as documents from cdc.dead_letter group by container, kind, state;

-- name: read_columns
-- The columns of a table as the database has them.
select a.attname as name, format_type(a.atttypid, null) as type, a.attnotnull as required,
       a.atthasdef or a.attidentity <> '' or a.attgenerated <> '' as has_default
from pg_attribute a
where a.attrelid = to_regclass(%(table)s) and a.attnum > 0 and not a.attisdropped;

-- name: read_primary_key
-- The columns of a table's primary key, in order.
select a.attname as name
from pg_index i
cross join lateral unnest(i.indkey) with ordinality as k (attnum, place)
join pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.attnum
where i.indrelid = to_regclass(%(table)s) and i.indisprimary
order by k.place;

-- name: read_migrations
-- What was applied, and the checksum it had.
select number, name, checksum from cdc.migration order by number;

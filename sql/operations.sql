-- Counts, pruning, and what the catalogue says (cdc/operations).

-- name: count_documents
-- What the ledger holds, by container and state.
select container, state, count(*) as documents, max(ts) as newest_ts from cdc.document group by container, state;

-- name: count_letters
-- What waits to be read again, by container, kind and state.
select container, kind, state, count(*) as documents from cdc.dead_letter group by container, kind, state;

-- name: prune_tombstones
-- Some of the tombstones that no delivery can come before any more; a letter or a suspicion keeps one. It waits for
-- nobody, whatever the order: one that somebody writes just now is needed again.
with old as (
    select key from cdc.document d
    where d.container = %(container)s and d.state = 'deleted'
      and d.applied_at < %(before)s and d.ts < extract(epoch from %(before)s)
      and not exists (select from cdc.dead_letter l where l.key = d.key)
      and not exists (select from cdc.suspect s where s.key = d.key)
    limit %(limit)s for update of d skip locked
)
delete from cdc.document d using old where d.key = old.key;

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

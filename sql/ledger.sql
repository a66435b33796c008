-- The ledger (cdc/postgres/ledger.py). A line "-- name: x" begins a statement; the comment after it describes it.

-- name: read_held
-- Ledger entries, read without a lock: stale changes are dropped before they are mapped.
select key, ts, lsn, etag, state, absence from cdc.document where key = any(%(keys)b);

-- name: read_pruned
-- The ts of the newest tombstone of a container that was pruned.
select ts from cdc.pruned where container = %(container)s;

-- name: upsert_documents
-- Writes the ledger under its version guard and returns the winners.
-- The guard is the NEWER verdict of cdc/core/ordering.py, and also the SAME verdict if versions are written again.
-- A delete has no etag.
-- The source is the arrays of cdc/postgres/arrays.py in key order, the lock order of all writers. A subquery of arrays
-- alone keeps their order, so ORDER BY would only sort again; with a join, ORDER BY would be needed.
-- Before migration 0024 a row key had neither table nor hash.
insert into cdc.document as held
    (key, container, partition_key, id, ts, lsn, etag, row_table, row_key, row_hash, state, absence, unmapped_type)
select s.key, %s, s.partition_key, s.id, s.ts, s.lsn, s.etag, s.row_table, s.row_key, s.row_hash, s.state, s.absence,
    s.unmapped_type
from {source}
on conflict (key) do update set
    ts = excluded.ts,
    lsn = coalesce(excluded.lsn, case when excluded.ts = held.ts and excluded.etag = held.etag then held.lsn end),
    etag = coalesce(nullif(excluded.etag, ''), held.etag),
    row_table = case when excluded.state = 'parked' then held.row_table else excluded.row_table end,
    row_key = case when excluded.state = 'parked' then held.row_key else excluded.row_key end,
    row_hash = case when excluded.state = 'parked' then held.row_hash else excluded.row_hash end,
    abandoned_row_key = case
        when excluded.state <> 'parked'
            and (
                held.row_key is distinct from excluded.row_key
                or coalesce(held.row_table, cdc.root_table(held.container)) <> excluded.row_table
            )
        then cdc.qualify(coalesce(held.row_table, cdc.root_table(held.container), ''), held.row_key)
    end,
    state = excluded.state,
    absence = excluded.absence,
    unmapped_type = excluded.unmapped_type,
    applied_at = now()
where (
        cdc.surely_newer(excluded.ts, excluded.lsn, held.ts, held.lsn)
        or (
            excluded.ts = held.ts and excluded.lsn > held.lsn
            and (excluded.etag <> held.etag or excluded.etag = '')
        )
        or (%s::boolean and excluded.ts = held.ts and excluded.etag = held.etag and held.state <> 'deleted')
    )
    and not (
        held.state = 'deleted'
        and (
            (excluded.etag <> '' and excluded.etag = held.etag)
            or (held.absence and excluded.state <> 'deleted' and abs(excluded.ts - held.ts) <= %s)
        )
    )
returning key, abandoned_row_key;

-- name: lock_documents
-- Ledger entries, locked in the lock order of all writers, before a repair compares and replaces them.
select key, ts, lsn, etag, state, absence from cdc.document where key = any(%(keys)b) order by key for update;

-- name: replace_documents
-- Writes the ledger without a guard, for repairs that have locked and compared it. Returns what upsert_documents does.
-- The source is the arrays of cdc/postgres/arrays.py.
update cdc.document as held set
    ts = s.ts,
    lsn = s.lsn,
    etag = s.etag,
    row_table = case when s.state = 'parked' then held.row_table else s.row_table end,
    row_key = case when s.state = 'parked' then held.row_key else s.row_key end,
    row_hash = case when s.state = 'parked' then held.row_hash else s.row_hash end,
    abandoned_row_key = case
        when s.state <> 'parked' and (
            held.row_key is distinct from s.row_key
            or coalesce(held.row_table, cdc.root_table(held.container)) <> s.row_table
        )
        then cdc.qualify(coalesce(held.row_table, cdc.root_table(held.container), ''), held.row_key)
    end,
    state = s.state,
    absence = s.absence,
    unmapped_type = s.unmapped_type,
    applied_at = now()
from (select %s::text) as c (container), {source}
where held.key = s.key and held.container = c.container
returning held.key, held.abandoned_row_key;

-- name: read_types
-- The names of a container's unmapped types that are shown.
select type from cdc.unmapped_type where container = %(container)s;

-- name: lock_types
-- Before names are added: two transactions that count the free places at once would fill them twice.
lock table cdc.unmapped_type in share row exclusive mode;

-- name: keep_types
-- Adds names while the container has free places.
insert into cdc.unmapped_type (container, type)
select %(container)s, s.type from unnest(%(types)s::text[]) as s (type)
where not exists (select from cdc.unmapped_type k where (k.container, k.type) = (%(container)s, s.type))
order by s.type
limit greatest(0, %(at_most)s - (select count(*) from cdc.unmapped_type where container = %(container)s));

-- name: count_unmapped
-- The unmapped documents by container and type, of one container or of all.
select container, unmapped_type, count(*) from cdc.document
where state = 'unmapped' and (%(container)s::text is null or container = %(container)s)
group by container, unmapped_type order by container, unmapped_type = 'other', unmapped_type;

-- name: find_holders
-- The documents that hold these rows, and the tables of the rows. Until migration 0024 has ended, documents hold rows
-- whose table and hash are not known yet.
select container, partition_key, id, row_table from cdc.document where row_hash = any(%(hashes)b)
union all
select container, partition_key, id, cdc.root_table(container) from cdc.document
where container = %(container)s and row_key = any(%(row_keys)s) and row_hash is null
  and not exists (select from cdc.migration where number = 24);

-- name: find_held_rows
-- Those of these rows that a document holds.
select row_hash from cdc.document where row_hash = any(%(hashes)b);

-- name: find_watched
-- Those of these tables that have triggers of somebody's, or rules: they may drop rows without an error.
select w.name from unnest(%(tables)s::text[]) as w (name)
where exists (
    select from (
        select to_regclass(w.name)::oid union select p.relid from pg_partition_tree(to_regclass(w.name)) as p
    ) as t (relid)
    where exists (
            select from pg_trigger g where g.tgrelid = t.relid and not g.tgisinternal and g.tgenabled in ('O', 'A')
        )
        or exists (select from pg_rewrite r where r.ev_class = t.relid and r.ev_type <> '1')
);

-- The outbox of cache keys (cdc/postgres/outbox.py). Nobody locks anything here for others to wait for: rows are only
-- added and deleted, and keys that are removed twice do no harm.

-- name: note_keys
-- Notes the cache keys of root rows as they are now. It probes the primary key, as deletes do (cdc/postgres/rows.py).
insert into cdc.invalidation (keys)
select k.keys from {source}, lateral (
    select array_remove(array[{keys}]::text[], null) as keys from {table} t where {same} offset 0
) as k;

-- name: read_noted_keys
-- The oldest notes after one of them.
select id, keys from cdc.invalidation where id > %(after)s order by id limit %(limit)s;

-- name: delete_notes
-- Deletes notes whose keys are removed; what another instance deletes just now is skipped.
delete from cdc.invalidation
where id in (select id from cdc.invalidation where id = any(%(ids)s) for update skip locked);

-- name: prune_notes
-- Deletes old notes among the first ones, and returns how many. Ids are nearly in the order of time.
with first as (
    select id, noted_at from cdc.invalidation order by id limit %(limit)s for update skip locked
), gone as (
    delete from cdc.invalidation i using first f
    where i.id = f.id and f.noted_at < now() - make_interval(secs => %(seconds)s)
    returning i.id
)
select count(*) from gone;

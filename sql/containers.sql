-- Source containers, their feeds and observations (cdc/postgres/containers.py and observations.py).

-- name: see_container
-- Stores a container only if none of its name was seen before.
insert into cdc.container (container, account, rid, partition_key_paths)
values (%(container)s, %(account)s, %(rid)s, %(paths)s)
on conflict (container) do nothing;

-- name: read_container
-- The container whose documents are in the ledger.
select account, rid, partition_key_paths from cdc.container where container = %(container)s;

-- name: adopt_container
-- Replaces the container seen first by another one. Its feed starts again, as after a change of mode: only a backfill
-- and a complete reconcile that begin later count.
insert into cdc.container (container, account, rid, partition_key_paths)
values (%(container)s, %(account)s, %(rid)s, %(paths)s)
on conflict (container) do update set
    account = excluded.account, rid = excluded.rid, partition_key_paths = excluded.partition_key_paths,
    adopted_at = now(), mode_changed_at = now();

-- name: forget_lsns
-- Lsns of one container cannot be compared with another's. Deletes a limited number of them, in the lock
-- order of all writers, and returns their keys.
with slice as (
    select key from cdc.document
    where key > %(after)s and container = %(container)s and lsn is not null
    order by key limit %(limit)s for update
)
update cdc.document d set lsn = null from slice where d.key = slice.key
returning d.key;

-- name: note_feed_mode
-- Stores a feed's mode. A new mode begins now: changes between the two modes are in neither feed. The first mode of all
-- versions began with its leases, before which no backfill may begin.
update cdc.container set
    feed_mode = %(mode)s,
    mode_changed_at = case
        when feed_mode is not null then now()
        when %(mode)s <> 'latest_version' then coalesce(leases_written_at, now())
    end
where container = %(container)s and feed_mode is distinct from %(mode)s;

-- name: note_nameless_deletes
-- Counts deletes that do not identify their document: only a reconcile of all keys finds these.
update cdc.container set gaps = gaps + %(deletes)s, nameless_delete_at = now() where container = %(container)s;

-- name: add_suspects
-- Stores documents with a gap before their version; the next reconcile reads them again.
insert into cdc.suspect (key, container)
select key, %(container)s from unnest(%(keys)b::bytea[]) as s (key)
on conflict (key) do update set noticed_at = now();

-- name: count_gaps
-- Counts the versions that a feed did not deliver.
update cdc.container set gaps = gaps + %(gaps)s where container = %(container)s;

-- name: read_feeds
-- The state of each feed, and the times after which a backfill and a complete reconcile must begin to count.
select c.container, c.feed_mode, c.gaps,
    (select count(*) from cdc.suspect s where s.container = c.container) as suspects,
    greatest(c.mode_changed_at, c.skipped_at) as backfill_since,
    greatest(c.mode_changed_at, c.nameless_delete_at, c.skipped_at) as complete_reconcile_since
from cdc.container c;

-- name: note_failed_batch
-- Stores the newest failure of a feed's batches, and since when they fail.
insert into cdc.failed_batch as held (container, problem) values (%(container)s, %(problem)s)
on conflict (container) do update set
    problem = excluded.problem, last_at = now(),
    since = case when held.last_at > now() - make_interval(secs => %(apart_seconds)s) then held.since else now() end;

-- name: read_failed_batches
-- The newest failure of each feed.
select container, problem, since, last_at from cdc.failed_batch;

-- name: count_observations
-- Counts documents by path, in key order; the number of a container's paths is limited.
insert into cdc.observation as held (container, kind, path, documents)
select %(container)s, s.kind, s.path, s.documents
from (
    select s.*, o.path is null as is_new, row_number() over (partition by o.path is null order by s.kind, s.path) as place
    from unnest(%(kinds)s::text[], %(paths)s::text[], %(documents)s::bigint[]) as s (kind, path, documents)
    left join cdc.observation o on (o.container, o.kind, o.path) = (%(container)s, s.kind, s.path)
) as s
where not s.is_new or s.place <= %(at_most)s - (select count(*) from cdc.observation where container = %(container)s)
order by s.kind, s.path
on conflict (container, kind, path) do update set
    documents = held.documents + excluded.documents, last_seen_at = now();

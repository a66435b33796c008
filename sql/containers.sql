-- What is known of each source container (cdc/postgres/containers.py and observations.py).

-- name: see_container
-- The container that was seen first stays, whatever comes later.
insert into cdc.container (container, account, rid, partition_key_paths)
values (%(container)s, %(account)s, %(rid)s, %(paths)s)
on conflict (container) do nothing;

-- name: read_container
-- The container whose documents the ledger has.
select account, rid, partition_key_paths from cdc.container where container = %(container)s;

-- name: adopt_container
-- Another container takes the place of the one seen first. Its feed begins anew, as in another mode: a backfill and a
-- complete reconcile must begin later to count.
insert into cdc.container (container, account, rid, partition_key_paths)
values (%(container)s, %(account)s, %(rid)s, %(paths)s)
on conflict (container) do update set
    account = excluded.account, rid = excluded.rid, partition_key_paths = excluded.partition_key_paths,
    adopted_at = now(), mode_changed_at = now();

-- name: forget_lsns
-- The numbers of one container's life say nothing about another's. Forgets so many of them, in the lock order of all
-- writers, and returns whose.
with slice as (
    select key from cdc.document
    where key > %(after)s and container = %(container)s and lsn is not null
    order by key limit %(limit)s for update
)
update cdc.document d set lsn = null from slice where d.key = slice.key
returning d.key;

-- name: note_feed_mode
-- The mode in which a feed is read. Another one begins now: what was written between the two is in neither.
update cdc.container set
    feed_mode = %(mode)s,
    mode_changed_at = case when feed_mode is not null or %(mode)s <> 'latest_version' then now() end
where container = %(container)s and feed_mode is distinct from %(mode)s;

-- name: note_nameless_deletes
-- A delete that does not say of which document: only a reconcile that compares all keys finds it.
update cdc.container set gaps = gaps + %(deletes)s, nameless_delete_at = now() where container = %(container)s;

-- name: add_suspects
-- Documents before whose version a feed has a gap; the next reconcile reads them again.
insert into cdc.suspect (key, container)
select key, %(container)s from unnest(%(keys)b::bytea[]) as s (key)
on conflict (key) do update set noticed_at = now();

-- name: count_gaps
-- How often a feed did not deliver what it should have.
update cdc.container set gaps = gaps + %(gaps)s where container = %(container)s;

-- name: read_feeds
-- What is known of each feed, and since when a backfill or a complete reconcile must have begun to count.
select c.container, c.feed_mode, c.gaps,
    (select count(*) from cdc.suspect s where s.container = c.container) as suspects,
    c.mode_changed_at as backfill_since,
    greatest(c.mode_changed_at, c.nameless_delete_at) as complete_reconcile_since
from cdc.container c;

-- name: count_observations
-- Count documents by path, in key order; a container has no more paths than fit a page.
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

-- Named statements of deletes, gaps and dead letters that are worked by hand.

-- name: add_suspects
-- Documents before whose version a feed has a gap; the next reconcile reads them again.
insert into cdc.suspect (key, container)
select key, %(container)s from unnest(%(keys)b::bytea[]) as s (key)
on conflict (key) do update set noticed_at = now();

-- name: count_gaps
-- How often a feed did not deliver what it should have.
update cdc.container set gaps = gaps + %(gaps)s where container = %(container)s;

-- name: note_nameless_deletes
-- A delete that does not say of which document: only a reconcile that compares all keys finds it.
update cdc.container set gaps = gaps + %(deletes)s, nameless_delete_at = now() where container = %(container)s;

-- name: note_feed_mode
-- The mode in which a feed is read. Another one begins now: what was written between the two is in neither.
update cdc.container set
    feed_mode = %(mode)s,
    mode_changed_at = case when feed_mode is not null or %(mode)s <> 'latest_version' then now() end
where container = %(container)s and feed_mode is distinct from %(mode)s;

-- name: read_feeds
-- What is known of each feed, and since when a backfill or a complete reconcile must have begun to count.
select c.container, c.feed_mode, c.gaps,
    (select count(*) from cdc.suspect s where s.container = c.container) as suspects,
    c.mode_changed_at as backfill_since,
    greatest(c.mode_changed_at, c.nameless_delete_at) as complete_reconcile_since
from cdc.container c;

-- name: list_letters
-- A page of dead letters, in the order in which their documents were first parked.
select number, container, partition_key, id, kind, path, message, state, attempts, parked_at, next_attempt_at
from cdc.dead_letter
where number > %(after)s
  and (%(number)s::bigint is null or number = %(number)s)
  and (%(container)s::text is null or container = %(container)s)
  and (%(kind)s::text is null or kind = %(kind)s)
  and (%(state)s::text is null or state = %(state)s)
order by number limit %(limit)s;

-- name: replay_letters
-- Letters that are read again by the next retry. One that must wait for its second, or for a second answer, does.
-- A discarded letter is meant only where it is named. A try that began before leaves the letter as it is.
with chosen as (
    select key from cdc.dead_letter
    where (%(number)s::bigint is null or number = %(number)s)
      and (%(container)s::text is null or container = %(container)s)
      and (%(kind)s::text is null or kind = %(kind)s)
      and (%(number)s::bigint is not null or state <> 'discarded')
    order by key for update
)
update cdc.dead_letter l set
    state = 'waiting', attempts = 0, claimed_until = null, revision = l.revision + 1,
    next_attempt_at = case when l.kind = 'undecided' or l.doubted_at is not null then l.next_attempt_at else now() end
from chosen where l.key = chosen.key;

-- name: discard_letter
-- A letter that nobody wants read again. An undecided one is a change that is not in PostgreSQL yet: it stays.
update cdc.dead_letter set state = 'discarded', next_attempt_at = null, revision = revision + 1
where number = %(number)s and kind <> 'undecided' and doubted_at is null;

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

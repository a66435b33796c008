-- Paused containers, and what the breaker counts (cdc/postgres/pauses.py, cdc/replication/breaker.py).

-- name: add_pause
-- Pauses a container, unless it is paused already.
insert into cdc.pause (container, reason, source, positions)
values (%(container)s, %(reason)s, %(source)s, %(positions)s)
on conflict (container) do nothing;

-- name: remove_pause
-- Ends a pause and returns when it began.
delete from cdc.pause where container = %(container)s returning since;

-- name: read_pauses
-- The paused containers.
select container, reason, since, by, source, positions from cdc.pause order by container;

-- name: move_pause
-- Stores the positions up to which nothing was skipped. A container that was resumed meanwhile has none.
update cdc.pause set positions = %(positions)s where container = %(container)s and since = %(since)s;

-- name: note_skip
-- Stores that a feed went on although its container was paused.
update cdc.container set skipped_at = now(), skip_problem = %(problem)s where container = %(container)s;

-- name: read_skips
-- The feeds that went on during a pause, until a backfill and a comparison of all keys that began later are complete.
select c.container, c.skip_problem, c.skipped_at
from cdc.container c left join cdc.rotation r on r.container = c.container
where c.skipped_at is not null
  and not (
      coalesce(r.completed_at > c.skipped_at, false)
      and exists (
          select from cdc.backfill b join cdc.backfill_container s on s.backfill = b.id
          where s.container = c.container and b.state = 'completed' and not b.dry_run and b.started_at > c.skipped_at
      )
  );

-- name: find_to_be_read_again
-- Those of these documents that are read again in any case, because their versions could not be ordered.
select key from cdc.dead_letter where key = any(%(keys)b::bytea[]) and kind = 'undecided';

-- name: replay_since
-- Makes due the letters of a kind that were parked since some time before a pause. The new revision makes a retry that
-- began before leave the letter unchanged.
with chosen as (
    select key from cdc.dead_letter
    where container = %(container)s and kind = %(kind)s and state <> 'discarded'
      and parked_at >= %(since)s - make_interval(secs => %(window)s)
    order by key for update
)
update cdc.dead_letter l set
    state = 'waiting', attempts = 0, claimed_until = null, revision = l.revision + 1,
    next_attempt_at = case when l.doubted_at is not null then l.next_attempt_at else now() end
from chosen where l.key = chosen.key;

-- name: note_batch
-- Counts a batch of the live feed, forgets old ones that nobody else forgets now, and returns whether batches of other
-- transactions had parked documents. Parked are the documents whose letter is of the window.
with old as (
    select number from cdc.recent_batch
    where container = %(container)s and at < now() - make_interval(secs => 2 * %(window)s)
    order by at limit 10 for update skip locked
), forgotten as (
    delete from cdc.recent_batch b using old where b.number = old.number
)
insert into cdc.recent_batch (container, documents, parked)
values (
    %(container)s, %(documents)s,
    array(
        select s.document
        from unnest(%(parked)b::bytea[], %(parked_documents)s::bigint[]) as s (key, document)
        join cdc.dead_letter l on l.key = s.key
        where l.kind = %(kind)s and l.parked_at >= now() - make_interval(secs => %(window)s)
    )
)
returning exists (
    select from cdc.recent_batch r
    where r.container = %(container)s and r.at >= now() - make_interval(secs => %(window)s) and r.parked <> '{}'
);

-- name: count_recent
-- How many documents the live feed delivered within the window, and how many of them were parked.
select
    (select count(distinct d) from cdc.recent_batch b, unnest(b.documents) as d
     where b.container = %(container)s and b.at >= now() - make_interval(secs => %(window)s)),
    (select count(distinct d) from cdc.recent_batch b, unnest(b.parked) as d
     where b.container = %(container)s and b.at >= now() - make_interval(secs => %(window)s));

-- name: forget_batches
-- Counts anew.
delete from cdc.recent_batch where container = %(container)s;

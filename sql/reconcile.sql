-- Statements of reconcile. A line "-- name: x" begins a statement, the comment lines after it describe it.

-- name: tally_ledger
-- How many live documents the ledger has in a window of ts, and the sum of their ts.
select count(*), coalesce(sum(ts), 0)::bigint from cdc.document
where container = %(container)s and state <> 'deleted' and ts >= %(low)s and ts < %(high)s;

-- name: cut_ledger
-- The ts at these fractions of a window's live documents.
select coalesce(percentile_disc(%(fractions)s::double precision[]) within group (order by ts), '{}') from cdc.document
where container = %(container)s and state <> 'deleted' and ts >= %(low)s and ts < %(high)s;

-- name: read_ledger_keys
-- The live documents of a window with their versions.
select partition_key, id, ts, lsn, etag, state, absence from cdc.document
where container = %(container)s and state <> 'deleted' and ts >= %(low)s and ts < %(high)s;

-- name: sample_ledger
-- Applied documents from a key on. A key is a hash: those after a random one are a random sample.
select partition_key, id, ts, lsn, etag, state, absence from cdc.document
where key > %(start)s and container = %(container)s and state = 'applied' order by key limit %(limit)s;

-- name: read_noticed
-- Documents before whose last version the feed has a gap, those that wait longest first.
select d.partition_key, d.id, s.noticed_at from cdc.suspect s join cdc.document d on d.key = s.key
where s.container = %(container)s order by s.noticed_at limit %(limit)s;

-- name: forget_noticed
-- They are the same on both sides; what was noticed again meanwhile stays.
delete from cdc.suspect s using unnest(%(keys)b::bytea[], %(moments)s::timestamptz[]) as n (key, noticed_at)
where s.key = n.key and s.noticed_at = n.noticed_at;

-- name: read_applied_rows
-- The documents whose rows stand for a version, and the keys of their root rows.
select key, etag, row_key from cdc.document where key = any(%(keys)b) and state = 'applied';

-- name: next_reconciliation
-- The number of the next reconciliation.
select nextval('cdc.reconciliation_id');

-- name: begin_reconciliation
-- A run of each container that has none.
insert into cdc.reconciliation (id, container, mode, repair, sample, max_request_units, progress)
select %(id)s, s.container, %(mode)s, %(repair)s, %(sample)s, %(max_request_units)s, %(progress)s::jsonb
from unnest(%(containers)s::text[]) as s (container)
on conflict (container) where state = 'running' do nothing
returning container;

-- name: list_incomplete
-- Containers that no comparison of all keys is valid for: none has begun a settle time after what only one can find.
select c.container from cdc.container c left join cdc.rotation r on r.container = c.container
where greatest(c.mode_changed_at, c.nameless_delete_at) + make_interval(secs => %(settle_seconds)s)
    > coalesce(r.completed_at, '-infinity');

-- name: list_running
-- The runs that are not over, and whether each has only just begun.
select container, coalesce(progress #>> '{tasks,0,step}' = %(first_step)s, false) from cdc.reconciliation
where state = 'running' and container = any(%(containers)s::text[]);

-- name: load_reconciliation
-- The run of a container that is not over, and for how long it runs already.
select id, container, mode, repair, sample, max_request_units, progress
from cdc.reconciliation where container = %(container)s and state = 'running';

-- name: save_reconciliation
-- How far a run is.
update cdc.reconciliation set progress = %(progress)s::jsonb
where id = %(id)s and container = %(container)s and state = 'running';

-- name: finish_reconciliation
-- The end of a run, and what it found.
update cdc.reconciliation
set state = %(state)s, message = %(message)s, report = %(report)s::jsonb, finished_at = now()
where id = %(id)s and container = %(container)s and state = 'running';

-- name: forget_reconciliations
-- Old reports go; the newest of a container stays for good.
delete from cdc.reconciliation r
where container = %(container)s and finished_at < now() - make_interval(days => %(report_days)s)
  and id < (select max(id) from cdc.reconciliation n where n.container = r.container);

-- name: forget_drift
-- What is left and was found again by a later run is kept once, after a while.
delete from cdc.drift d
where d.container = %(container)s and d.state = 'left' and d.suspected_at < now() - make_interval(days => %(left_days)s)
  and exists (select from cdc.drift n where n.container = d.container and n.key = d.key and n.number > d.number);

-- name: add_drift
-- What differs or seems to. Since when is known from the run before, when that left it.
insert into cdc.drift (
    reconciliation, container, key, partition_key, id, row_table, row_key, kind, ts, lsn, etag, held_state, absence,
    found_etag, state, since
)
values (
    %(reconciliation)s, %(container)s, %(key)s, %(partition_key)s, %(id)s, %(row_table)s, %(row_key)s, %(kind)s,
    %(ts)s, %(lsn)s, %(etag)s, %(held_state)s, %(absence)s, %(found_etag)s, %(state)s,
    coalesce((
        select case when d.state = 'left' then d.since end from cdc.drift d
        where d.container = %(container)s and d.key = %(key)s and d.reconciliation <> %(reconciliation)s
        order by d.number desc limit 1
    ), now())
)
on conflict (reconciliation, container, key) do nothing;

-- name: read_found
-- Which of these documents a run has found already.
select key from cdc.drift
where reconciliation = %(reconciliation)s and container = %(container)s and key = any(%(keys)b);

-- name: read_drift
-- What a run has in one state, oldest first; no suspect that another process of the same run has added just now.
select number, partition_key, id, kind, ts, lsn, etag, held_state, absence, found_etag
from cdc.drift
where reconciliation = %(reconciliation)s and container = %(container)s and state = %(state)s
  and kind = any(%(kinds)s::text[])
  and (state <> 'suspected' or suspected_at + make_interval(secs => %(settle_seconds)s) <= now())
order by number limit %(limit)s;

-- name: mark_drift
-- What became of something that differed or seemed to.
update cdc.drift d set kind = s.kind, state = s.state
from unnest(%(numbers)b::bigint[], %(kinds)b::text[], %(states)b::text[]) as s (number, kind, state)
where d.number = s.number;

-- name: drop_suspects
-- What a run suspected and did not confirm is forgotten.
delete from cdc.drift
where reconciliation = %(reconciliation)s and container = %(container)s and state in ('suspected', 'dropped');

-- name: leave_drift
-- What a run did not repair.
update cdc.drift set state = 'left'
where reconciliation = %(reconciliation)s and container = %(container)s and state = 'drift';

-- name: count_drift
-- What a run found by kind and state, and since when the oldest of it is there.
select kind, state, count(*), min(since) from cdc.drift
where reconciliation = %(reconciliation)s and container = %(container)s group by kind, state;

-- name: read_settling
-- How many seconds the youngest suspect of a run still has to settle; null without suspects.
select extract(epoch from max(suspected_at) + make_interval(secs => %(settle_seconds)s) - now())::double precision
from cdc.drift where reconciliation = %(reconciliation)s and container = %(container)s and state = 'suspected';

-- name: read_rotation
-- Where the comparison of keys and the count go on.
select next_ts, count_ts from cdc.rotation where container = %(container)s;

-- name: turn_rotation
-- The keys of a window are compared; at the end of the history a new round begins. A window that was compared before,
-- and is compared again after a crash, ends no round a second time. A round may be beyond a line that has gone back.
update cdc.rotation r set
    next_ts = %(next_ts)s,
    completed_at = case when %(next_ts)s::bigint is null then r.began_at else r.completed_at end,
    began_at = case when %(next_ts)s::bigint is null then now() else r.began_at end
where container = %(container)s and (next_ts is not distinct from %(low)s::bigint or next_ts > %(high)s);

-- name: complete_rotation
-- One run has compared all keys: the next round begins at the beginning.
update cdc.rotation set next_ts = null, began_at = now(), completed_at = (
    select started_at from cdc.reconciliation where id = %(id)s and container = %(container)s
)
where container = %(container)s;

-- name: begin_rotation
-- The first run of a container begins its first round.
insert into cdc.rotation (container) values (%(container)s) on conflict do nothing;

-- name: keep_count
-- Where the next count begins.
insert into cdc.rotation (container, count_ts) values (%(container)s, %(count_ts)s)
on conflict (container) do update set count_ts = excluded.count_ts;

-- name: read_compared
-- Since when every key has been compared, and which share of the ledger the round that runs has behind it.
select r.completed_at, r.began_at,
    (select count(*) from cdc.document d
     where d.container = r.container and d.state <> 'deleted' and d.ts < coalesce(r.next_ts, 0)) as compared
from cdc.rotation r where r.container = %(container)s;

-- name: read_observed
-- What mappers noticed since the run before this one began.
select kind, path, documents from cdc.observation
where container = %(container)s and last_seen_at >= coalesce(
    (select max(started_at) from cdc.reconciliation where container = %(container)s and id < %(id)s), '-infinity')
order by documents desc, path limit %(observed_at_most)s;

-- name: list_reconciliations
-- The reports of the newest reconciliations before one.
select id, container, mode, repair, sample, max_request_units, state, message, report, started_at, finished_at
from cdc.reconciliation
where id in (select distinct id from cdc.reconciliation where id < %(before)s order by id desc limit %(limit)s)
order by id desc, container;

-- name: read_reconciliation
-- The reports of one reconciliation.
select id, container, mode, repair, sample, max_request_units, state, message, report, started_at, finished_at
from cdc.reconciliation where id = %(id)s order by container;

-- name: newest_reconciliations
-- The newest finished report of each container.
select r.* from unnest(%(containers)s::text[]) as s (container)
cross join lateral (
    select id, container, mode, repair, sample, max_request_units, state, message, report, started_at, finished_at
    from cdc.reconciliation n where n.container = s.container and n.state <> 'running' order by n.id desc limit 1
) as r;

-- name: list_drift
-- What a reconciliation found and did not drop.
select number, container, key, kind, state, since from cdc.drift
where reconciliation = %(reconciliation)s and state in ('drift', 'repaired', 'left') order by number limit %(limit)s;

-- name: find_drift
-- One thing that a reconcile found, and whose it is: a document, or a row.
select container, partition_key, id, row_table, row_key, kind, state, since from cdc.drift
where number = %(number)s and state in ('drift', 'repaired', 'left');

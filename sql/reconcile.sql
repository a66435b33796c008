-- Reconcile (cdc/reconcile).

-- name: tally_ledger
-- The number of live documents in a window of ts, and the sum of their ts.
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
-- Applied documents after a key. A key is a hash: documents after a random key are a random sample.
select partition_key, id, ts, lsn, etag, state, absence from cdc.document
where key > %(start)s and container = %(container)s and state = 'applied' order by key limit %(limit)s;

-- name: read_noticed
-- Documents with a gap before their last version, the oldest gap first.
select d.partition_key, d.id, s.noticed_at from cdc.suspect s join cdc.document d on d.key = s.key
where s.container = %(container)s order by s.noticed_at limit %(limit)s;

-- name: forget_noticed
-- Deletes gaps whose documents are equal on both sides; a gap that was noticed again since stays.
delete from cdc.suspect s using unnest(%(keys)b::bytea[], %(moments)s::timestamptz[]) as n (key, noticed_at)
where s.key = n.key and s.noticed_at = n.noticed_at;

-- name: read_mapped_states
-- Documents whose mapper was asked last: their etags, states and row keys.
select key, etag, state, row_table, row_key from cdc.document where key = any(%(keys)b) and state in ('applied', 'unmapped');

-- name: find_unmapped
-- Unmapped documents of these types.
select partition_key, id from cdc.document
where container = %(container)s and state = 'unmapped' and unmapped_type = any(%(types)s::text[]) limit %(limit)s;

-- name: next_reconciliation
-- The number of the next reconciliation.
select nextval('cdc.reconciliation_id');

-- name: begin_reconciliation
-- Begins a run of each container that has none.
insert into cdc.reconciliation (id, container, mode, repair, sample, max_request_units, progress, traceparent)
select %(id)s, s.container, %(mode)s, %(repair)s, %(sample)s, %(max_request_units)s, %(progress)s::jsonb,
    %(traceparent)s
from unnest(%(containers)s::text[]) as s (container)
on conflict (container) where state = 'running' do nothing
returning container;

-- name: list_incomplete
-- Containers without a comparison of all keys that began at least a settle time after the last change of feed mode,
-- unidentified delete or batch that a paused feed lost; only such a comparison finds what these missed.
select c.container from cdc.container c left join cdc.rotation r on r.container = c.container
where greatest(c.mode_changed_at, c.nameless_delete_at, c.skipped_at) + make_interval(secs => %(settle_seconds)s)
    > coalesce(r.completed_at, '-infinity');

-- name: list_running
-- The containers with an unfinished run, and whether it has just begun.
select container, coalesce(progress #>> '{tasks,0,step}' = %(first_step)s, false) from cdc.reconciliation
where state = 'running' and container = any(%(containers)s::text[]);

-- name: load_reconciliation
-- The unfinished run of a container.
select id, container, mode, repair, sample, max_request_units, progress, traceparent
from cdc.reconciliation where container = %(container)s and state = 'running';

-- name: save_reconciliation
-- Saves the progress of a run.
update cdc.reconciliation set progress = %(progress)s::jsonb
where id = %(id)s and container = %(container)s and state = 'running';

-- name: finish_reconciliation
-- Ends a run with its report.
update cdc.reconciliation
set state = %(state)s, message = %(message)s, report = %(report)s::jsonb, finished_at = now()
where id = %(id)s and container = %(container)s and state = 'running';

-- name: prune_reconciliations
-- Deletes old reports, but always keeps a container's newest.
delete from cdc.reconciliation r
where finished_at < now() - make_interval(days => %(report_days)s)
  and id < (select max(id) from cdc.reconciliation n where n.container = r.container);

-- name: prune_drift
-- Deletes old unrepaired drift that a later run has found again.
delete from cdc.drift d
where d.state in ('left', 'unreadable') and d.suspected_at < now() - make_interval(days => %(left_days)s)
  and exists (select from cdc.drift n where n.container = d.container and n.key = d.key and n.number > d.number);

-- name: add_drift
-- Stores a finding. If the latest run with the same finding did not repair it, `since` is taken from there.
insert into cdc.drift (
    reconciliation, container, key, partition_key, id, row_table, row_key, kind, ts, lsn, etag, held_state, absence,
    found_etag, state, since
)
values (
    %(reconciliation)s, %(container)s, %(key)s, %(partition_key)s, %(id)s, %(row_table)s, %(row_key)s, %(kind)s,
    %(ts)s, %(lsn)s, %(etag)s, %(held_state)s, %(absence)s, %(found_etag)s, %(state)s,
    coalesce((
        select case when d.state in ('left', 'unreadable') then d.since end from cdc.drift d
        where d.container = %(container)s and d.key = %(key)s and d.reconciliation <> %(reconciliation)s
        order by d.number desc limit 1
    ), now())
)
on conflict (reconciliation, container, key) do nothing;

-- name: read_found
-- Those of these documents that the run has already found.
select key from cdc.drift
where reconciliation = %(reconciliation)s and container = %(container)s and key = any(%(keys)b);

-- name: read_drift
-- Findings of a run in one state, oldest first; suspects only after the settle time.
select number, partition_key, id, kind, ts, lsn, etag, held_state, absence, found_etag
from cdc.drift
where reconciliation = %(reconciliation)s and container = %(container)s and state = %(state)s
  and kind = any(%(kinds)s::text[])
  and (state <> 'suspected' or suspected_at + make_interval(secs => %(settle_seconds)s) <= now())
order by number limit %(limit)s;

-- name: mark_drift
-- Sets the kind and state of findings.
update cdc.drift d set kind = s.kind, state = s.state
from unnest(%(numbers)b::bigint[], %(kinds)b::text[], %(states)b::text[]) as s (number, kind, state)
where d.number = s.number;

-- name: drop_suspects
-- Deletes unconfirmed suspects of a run.
delete from cdc.drift
where reconciliation = %(reconciliation)s and container = %(container)s and state in ('suspected', 'dropped');

-- name: leave_drift
-- Marks the drift that a run did not repair.
update cdc.drift set state = 'left'
where reconciliation = %(reconciliation)s and container = %(container)s and state = 'drift';

-- name: count_drift
-- Counts findings of a run by kind and state, with the time of the oldest.
select kind, state, count(*), min(since) from cdc.drift
where reconciliation = %(reconciliation)s and container = %(container)s group by kind, state;

-- name: count_drift_by_table
-- Counts the differences of a run by root table: that of the row, or of the document as it is now.
select coalesce(d.row_table, l.row_table), count(*) from cdc.drift d left join cdc.document l on l.key = d.key
where d.reconciliation = %(reconciliation)s and d.container = %(container)s
  and d.state in ('repaired', 'left', 'unreadable') and coalesce(d.row_table, l.row_table) is not null
group by 1 order by 1;

-- name: read_settling
-- The seconds until a run's youngest suspect has settled; null without suspects.
select extract(epoch from max(suspected_at) + make_interval(secs => %(settle_seconds)s) - now())::double precision
from cdc.drift where reconciliation = %(reconciliation)s and container = %(container)s and state = 'suspected';

-- name: read_rotation
-- Where the comparison of keys and the count continue.
select next_ts, count_ts from cdc.rotation where container = %(container)s;

-- name: turn_rotation
-- Records that a window's keys were compared; at the end of the history a new round begins, whose first windows
-- the same run may have compared, too. The round may already be beyond the window if the line went back.
update cdc.rotation r set
    next_ts = %(next_ts)s,
    completed_at = case when %(next_ts)s::bigint is null then r.began_at else r.completed_at end,
    began_at = case when %(next_ts)s::bigint is null then n.started_at else r.began_at end
from cdc.reconciliation n
where r.container = %(container)s and (n.id, n.container) = (%(reconciliation)s, r.container)
  and (r.next_ts is not distinct from %(low)s::bigint or r.next_ts > %(high)s);

-- name: complete_rotation
-- Records that one run has compared all keys: the next round starts from the beginning.
update cdc.rotation set next_ts = null, began_at = now(), completed_at = (
    select started_at from cdc.reconciliation where id = %(reconciliation)s and container = %(container)s
)
where container = %(container)s;

-- name: begin_rotation
-- Begins the first round of a container.
insert into cdc.rotation (container) values (%(container)s) on conflict do nothing;

-- name: keep_count
-- Stores where the next count begins.
insert into cdc.rotation (container, count_ts) values (%(container)s, %(count_ts)s)
on conflict (container) do update set count_ts = excluded.count_ts;

-- name: read_compared
-- Since when every key was compared, the start of the current round, and how many documents it has compared.
select r.completed_at, r.began_at,
    (select count(*) from cdc.document d
     where d.container = r.container and d.state <> 'deleted' and d.ts < coalesce(r.next_ts, 0)) as compared
from cdc.rotation r where r.container = %(container)s;

-- name: read_observed
-- Observations since the previous run began.
select kind, path, documents from cdc.observation
where container = %(container)s and last_seen_at >= coalesce(
    (select max(started_at) from cdc.reconciliation where container = %(container)s and id < %(id)s), '-infinity')
order by documents desc, path limit %(observed_at_most)s;

-- name: list_reconciliations
-- The reports of the newest reconciliations with a smaller id.
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
-- The findings of a reconciliation that were not dropped.
select number, container, key, kind, state, since from cdc.drift
where reconciliation = %(reconciliation)s and state in ('drift', 'repaired', 'left', 'unreadable')
order by number limit %(limit)s;

-- name: find_drift
-- One finding with its document or its row.
select container, partition_key, id, row_table, row_key, kind, state, since from cdc.drift
where number = %(number)s and state in ('drift', 'repaired', 'left', 'unreadable');

-- Named statements of backfills.

-- name: insert_backfill
-- Adds a backfill.
insert into cdc.backfill (
    id, max_request_units_per_second, max_parallel_ranges, page_size, reapply, dry_run, traceparent
)
values (
    %(id)s, %(max_request_units_per_second)s, %(max_parallel_ranges)s, %(page_size)s, %(reapply)s, %(dry_run)s,
    %(traceparent)s
);

-- name: occupy_containers
-- Reserves the containers that no other backfill has, always in the same order.
insert into cdc.backfill_container (backfill, container)
select %(id)s, c from unnest(%(containers)s::text[]) as c order by c
on conflict (container) where running do nothing
returning container;

-- name: read_occupant
-- Another backfill that has one of these containers.
select container, backfill from cdc.backfill_container
where running and container = any(%(containers)s::text[]) and backfill <> %(id)s order by container limit 1;

-- name: find_writing_backfill
-- The unfinished backfill of a container, unless it is a dry run.
select backfill from cdc.backfill_container c join cdc.backfill b on b.id = c.backfill
where c.container = %(container)s and c.running and not b.dry_run;

-- name: list_running_backfills
-- The running backfills.
select id from cdc.backfill where state = 'running' order by started_at, id;

-- name: take_backfill
-- Takes a backfill under a new generation: writes of earlier generations are refused from now on.
update cdc.backfill set generation = generation + 1 where id = %(id)s and state = 'running' returning generation;

-- name: read_job
-- The options of a running backfill and its trace, for the generation that has taken it.
select max_request_units_per_second, max_parallel_ranges, page_size, reapply, dry_run, traceparent
from cdc.backfill where id = %(id)s and generation = %(generation)s and state = 'running';

-- name: list_uncounted
-- The containers whose feed ranges are not known yet.
select container from cdc.backfill_container
where backfill = %(id)s and documents is null order by container;

-- name: count_container
-- Stores a container's document count and the source's time at the start of its copy.
update cdc.backfill_container set documents = %(documents)s, source_ts = %(source_ts)s
where backfill = %(id)s and container = %(container)s and documents is null;

-- name: insert_ranges
-- Adds feed ranges to copy: all ranges of a container, or the children of a split range.
insert into cdc.backfill_range (backfill, container, range_min, range_max, continuation)
select %(id)s, %(container)s, s.range_min, s.range_max, %(continuation)s
from unnest(%(mins)s::text[], %(maxes)s::text[]) as s (range_min, range_max)
order by s.range_min
on conflict (backfill, container, range_min, range_max) do nothing;

-- name: release_ranges
-- Takes all feed ranges from their lanes, for the generation that has taken the backfill.
update cdc.backfill_range r set lane = null
from cdc.backfill b
where r.backfill = %(id)s and r.lane is not null and b.id = r.backfill and b.generation = %(generation)s;

-- name: count_waiting_ranges
-- The number of feed ranges that are not copied yet and may be copied now, and the paused containers of the others.
select count(*) filter (where p.container is null),
    coalesce(array_agg(distinct p.container order by p.container) filter (where p.container is not null), '{}')
from cdc.backfill_range r
join cdc.backfill b on b.id = r.backfill
left join cdc.pause p on p.container = r.container and not b.dry_run
where r.backfill = %(id)s and r.state = 'waiting';

-- name: claim_range
-- The lane's feed range, else the next free one; none if the backfill is paused, over or has another generation. The
-- ranges of a paused container rest, unless nothing is written.
update cdc.backfill_range r set lane = %(lane)s
from cdc.backfill b, cdc.backfill_container c
where r.number = (
        select number from cdc.backfill_range w
        where backfill = %(id)s and state = 'waiting' and (lane is null or lane = %(lane)s)
          and not exists (
              select from cdc.pause p join cdc.backfill d on d.id = %(id)s and not d.dry_run
              where p.container = w.container
          )
        order by lane is null, number limit 1 for update skip locked
    )
  and b.id = r.backfill and b.state = 'running' and b.generation = %(generation)s
  and (c.backfill, c.container) = (r.backfill, r.container)
returning r.number, r.container, r.range_min, r.range_max, r.continuation, c.source_ts;

-- name: advance_range
-- Records a copied page, in the transaction of its rows; no row if another worker has copied it or taken the backfill.
update cdc.backfill_range r set
    continuation = %(next)s,
    state = case when %(ended)s then 'completed' else 'waiting' end,
    read = r.read + %(read)s, applied = r.applied + %(applied)s, stale = r.stale + %(stale)s,
    undecided = r.undecided + %(undecided)s, parked = r.parked + %(parked)s, unmapped = r.unmapped + %(unmapped)s,
    request_units = r.request_units + %(request_units)s,
    problem = null, updated_at = now()
from cdc.backfill b
where r.number = %(number)s and r.state = 'waiting' and r.continuation is not distinct from %(continuation)s
  and b.id = r.backfill and b.generation = %(generation)s
returning b.state;

-- name: split_range
-- Ends a feed range that has split; its children continue at its position.
update cdc.backfill_range r set state = 'split', updated_at = now()
from cdc.backfill b
where r.number = %(number)s and r.state = 'waiting' and r.continuation is not distinct from %(continuation)s
  and b.id = r.backfill and b.generation = %(generation)s
returning r.number;

-- name: note_range_problem
-- Stores why a feed range waits, for the generation that has taken the backfill.
update cdc.backfill_range r set problem = %(problem)s
from cdc.backfill b
where r.number = %(number)s and r.state = 'waiting' and b.id = r.backfill and b.generation = %(generation)s;

-- name: note_backfill_problem
-- Stores why a backfill waits, or null if it does not.
update cdc.backfill set problem = %(problem)s
where id = %(id)s and generation = %(generation)s and problem is distinct from %(problem)s;

-- name: reserve_units
-- Reserves time for a request after all earlier reservations. Returns the seconds to wait until it begins.
update cdc.backfill
set paced_to = greatest(paced_to, clock_timestamp()) + make_interval(secs => %(seconds)s)
where id = %(id)s
returning extract(epoch from paced_to - clock_timestamp())::float8 - %(seconds)s;

-- name: settle_units
-- Corrects the reservation of a request that cost more or less.
update cdc.backfill set paced_to = paced_to + make_interval(secs => %(seconds)s) where id = %(id)s;

-- name: move_backfill
-- Changes the state, if the current state allows it.
update cdc.backfill set
    state = %(state)s,
    -- Later writes of a cancelled backfill are refused; a paused one may finish its page.
    generation = generation + case when %(state)s = 'cancelled' then 1 else 0 end,
    finished_at = case when %(state)s in ('completed', 'cancelled') then now() end
where id = %(id)s and state = any(%(states)s::text[])
returning id;

-- name: cancel_backfills_of
-- Cancels the backfills of a container that is replaced: their progress is not valid for the new one.
with over as (
    update cdc.backfill b set state = 'cancelled', generation = b.generation + 1, finished_at = now()
    from cdc.backfill_container c
    where c.container = %(container)s and c.running and b.id = c.backfill
    returning b.id
)
update cdc.backfill_container c set running = false from over where c.backfill = over.id;

-- name: measure_anew
-- Restarts the measurement of the speed, without the time of a pause.
update cdc.backfill b set
    measured_at = now(),
    measured_read = coalesce(s.read, 0),
    measured_request_units = coalesce(s.request_units, 0)
from (
    select sum(read) as read, sum(request_units) as request_units from cdc.backfill_range where backfill = %(id)s
) as s
where b.id = %(id)s;

-- name: leave_containers
-- Releases the containers for other backfills.
update cdc.backfill_container set running = false where backfill = %(id)s and running;

-- name: read_backfills
-- Backfills without their ranges, newest first: one by id, or those older than another.
select jsonb_build_object(
    'id', b.id, 'state', b.state, 'containers', c.containers, 'problem', coalesce(b.problem, r.problem),
    'max_request_units_per_second', b.max_request_units_per_second, 'max_parallel_ranges', b.max_parallel_ranges,
    'page_size', b.page_size, 'reapply', b.reapply, 'dry_run', b.dry_run,
    'started_at', b.started_at, 'finished_at', b.finished_at,
    'documents', c.documents, 'counted', c.counted, 'resting', c.resting,
    'read', coalesce(r.read, 0), 'applied', coalesce(r.applied, 0), 'stale', coalesce(r.stale, 0),
    'undecided', coalesce(r.undecided, 0), 'parked', coalesce(r.parked, 0),
    'unmapped', coalesce(r.unmapped, 0),
    'request_units', coalesce(r.request_units, 0),
    'seconds', extract(epoch from coalesce(b.finished_at, now()) - b.measured_at),
    'measured_read', coalesce(r.read, 0) - b.measured_read,
    'measured_request_units', coalesce(r.request_units, 0) - b.measured_request_units
)
from cdc.backfill b
cross join lateral (
    select array_agg(container order by container) as containers, coalesce(sum(documents), 0) as documents,
           bool_and(documents is not null) as counted,
           coalesce(
               array_agg(container order by container) filter (
                   where running and not b.dry_run and container in (select p.container from cdc.pause p)
               ), '{}'
           ) as resting
    from cdc.backfill_container where backfill = b.id
) as c
cross join lateral (
    select sum(read) as read, sum(applied) as applied, sum(stale) as stale, sum(undecided) as undecided,
           sum(parked) as parked, sum(unmapped) as unmapped, sum(request_units) as request_units, max(problem) as problem
    from cdc.backfill_range where backfill = b.id
) as r
where (%(id)s::text is null or b.id = %(id)s)
  and (
      %(after)s::text is null
      or (b.started_at, b.id) < (select a.started_at, a.id from cdc.backfill a where a.id = %(after)s)
  )
order by b.started_at desc, b.id desc limit %(limit)s;

-- name: read_backfill_ranges
-- The progress of each feed range.
select jsonb_build_object(
    'container', container, 'min', range_min, 'max', range_max, 'state', state, 'read', read, 'applied', applied,
    'stale', stale, 'undecided', undecided, 'parked', parked, 'unmapped', unmapped, 'request_units', request_units,
    'problem', problem, 'updated_at', updated_at
)
from cdc.backfill_range where backfill = %(id)s order by container, range_min, number;

-- name: read_findings
-- The findings of a dry run.
select jsonb_build_object('container', container, 'kind', kind, 'path', path, 'documents', documents)
from cdc.backfill_finding where backfill = %(id)s order by container, kind, path;

-- name: count_findings
-- Counts documents by path, in key order; the number of a container's paths is limited.
insert into cdc.backfill_finding as held (backfill, container, kind, path, documents)
select %(id)s, %(container)s, s.kind, s.path, s.documents
from unnest(%(kinds)s::text[], %(paths)s::text[], %(documents)s::bigint[]) as s (kind, path, documents)
where (select count(*) from cdc.backfill_finding where backfill = %(id)s and container = %(container)s) < %(at_most)s
   or exists (
       select from cdc.backfill_finding f
       where (f.backfill, f.container, f.kind, f.path) = (%(id)s, %(container)s, s.kind, s.path)
   )
order by s.kind, s.path
on conflict (backfill, container, kind, path) do update set documents = held.documents + excluded.documents;

-- name: read_running_since
-- The start of a container's unfinished backfill: what it has read since may still be written.
select b.started_at from cdc.backfill b join cdc.backfill_container c on c.backfill = b.id
where c.container = %(container)s and c.running;

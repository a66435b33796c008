-- Samples of lag and counts, and what they are made of (cdc/operations/samples.py and counts.py, cdc/postgres/applied.py).

-- name: count_ledger
-- The ledger's documents by container, state and, where they are unmapped, type, which is other at the end; in
-- containers with several types also by root table.
select d.container, d.state, d.unmapped_type, count(*) as documents, max(d.ts) as newest_ts, t.row_table
from cdc.document d
cross join lateral (select case when d.container = any(%(typed)s::text[]) then d.row_table end) as t (row_table)
group by d.container, d.state, d.unmapped_type, t.row_table
order by d.container, d.state, d.unmapped_type = 'other', d.unmapped_type, t.row_table;

-- name: keep_ledger_count
-- Keeps a count of the ledger, with the time of the transaction's snapshot.
insert into cdc.ledger_count as held (counts) values (%(counts)s)
on conflict (one) do update set counts = excluded.counts, counted_at = excluded.counted_at;

-- name: read_ledger_count
-- The size of the ledger in bytes, and its kept count, if there is one, with its time and its age in seconds.
select pg_relation_size('cdc.document'), k.counts, k.counted_at,
    extract(epoch from now() - k.counted_at)::double precision
from (select) as always left join cdc.ledger_count k on true;

-- name: count_letters
-- The dead letters by container, kind and state.
select container, kind, state, count(*) as documents from cdc.dead_letter group by container, kind, state;

-- name: note_applied
-- Counts applied changes in the row of this connection.
insert into cdc.applied as held (container, writer, changes)
values (%(container)s, pg_backend_pid(), %(changes)s)
on conflict (container, writer) do update set changes = held.changes + excluded.changes, last_at = now();

-- name: read_applied
-- The changes of each container that were applied so far, and when the last one was.
select container, sum(changes)::bigint, max(last_at) from cdc.applied group by container;

-- name: merge_applied
-- Adds up the rows of connections that have applied nothing for a day. Rows in use are skipped, so nobody waits.
with idle as (
    select container, writer from cdc.applied
    where writer <> 0 and last_at < now() - interval '1 day' for update skip locked
), gone as (
    delete from cdc.applied a using idle i where (a.container, a.writer) = (i.container, i.writer)
    returning a.container, a.changes, a.last_at
)
insert into cdc.applied as held (container, writer, changes, last_at)
select container, 0, sum(changes)::bigint, max(last_at) from gone group by container
on conflict (container, writer) do update set
    changes = held.changes + excluded.changes, last_at = greatest(held.last_at, excluded.last_at);

-- name: keep_sample
-- Adds a sample of one container.
insert into cdc.sample (
    container, lag_seconds, backlog, unknown, source_documents, documents, unmapped, parked, applied
) values (
    %(container)s, %(lag_seconds)s, %(backlog)s, %(unknown)s, %(source_documents)s, %(documents)s, %(unmapped)s,
    %(parked)s, %(applied)s
);

-- name: read_newest_samples
-- The newest sample of each of these containers.
select n.* from unnest(%(containers)s::text[]) as c (container)
cross join lateral (
    select container, at, lag_seconds, backlog, unknown, source_documents, documents, unmapped, parked, applied
    from cdc.sample s where s.container = c.container order by at desc limit 1
) as n;

-- name: read_recent_samples
-- The samples of the last minutes, oldest first.
select container, at, lag_seconds, backlog, unknown, source_documents, documents, unmapped, parked, applied
from cdc.sample
where container = any(%(containers)s) and at >= now() - make_interval(secs => %(seconds)s)
order by container, at;

-- name: read_history
-- A container's samples of the last hours, oldest first. In a long span one sample stands for several: it has their
-- worst lag and backlog, and their last counts.
select container, max(at), max(lag_seconds), max(backlog), max(unknown),
    (array_agg(source_documents order by at desc) filter (where source_documents is not null))[1],
    (array_agg(documents order by at desc) filter (where documents is not null))[1],
    (array_agg(unmapped order by at desc) filter (where unmapped is not null))[1],
    (array_agg(parked order by at desc))[1], max(applied)
from cdc.sample
where container = %(container)s and at >= now() - make_interval(hours => %(hours)s)
group by container, floor(extract(epoch from at) / %(step_seconds)s)
order by max(at);

-- name: prune_samples
-- Deletes old samples.
delete from cdc.sample where at < now() - make_interval(days => %(days)s);

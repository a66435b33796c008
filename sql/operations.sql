-- Counts, pruning, and table definitions from the catalogue (cdc/operations).

-- name: count_documents
-- The ledger's documents by container and state.
select container, state, count(*) as documents, max(ts) as newest_ts from cdc.document group by container, state;

-- name: count_letters
-- The dead letters by container, kind and state.
select container, kind, state, count(*) as documents from cdc.dead_letter group by container, kind, state;

-- name: prune_tombstones
-- Deletes some old tombstones, but none with a dead letter or a suspicion, moves the fence and returns their number. It
-- skips locked rows, so it needs no lock order: a tombstone that is written now is still needed.
with old as (
    select key from cdc.document d
    where d.container = %(container)s and d.state = 'deleted'
      and d.applied_at < %(before)s and d.ts < extract(epoch from %(before)s)
      and not exists (select from cdc.dead_letter l where l.key = d.key)
      and not exists (select from cdc.suspect s where s.key = d.key)
    limit %(limit)s for update of d skip locked
), gone as (
    delete from cdc.document d using old where d.key = old.key returning d.ts
), fence as (
    insert into cdc.pruned as held (container, ts)
    select %(container)s, max(ts) from gone having count(*) > 0
    on conflict (container) do update set ts = greatest(held.ts, excluded.ts)
)
select count(*) from gone;

-- name: claim_part
-- Claims a part of the timer that is due, for one instance. A part that is seen for the first time is only noted.
insert into cdc.maintenance as held (part) values (%(part)s)
on conflict (part) do update set claimed_until = now() + make_interval(secs => %(claim_seconds)s)
where held.done_at + make_interval(secs => %(every)s) <= now() and coalesce(held.claimed_until <= now(), true)
returning claimed_until is not null;

-- name: note_part_done
-- Ends the claim of a part; its next time counts from now.
update cdc.maintenance set done_at = now(), claimed_until = null where part = %(part)s;

-- name: read_columns
-- The columns of a table in the database.
select a.attname as name, format_type(a.atttypid, null) as type, a.attnotnull as required,
       a.atthasdef or a.attidentity <> '' or a.attgenerated <> '' as has_default
from pg_attribute a
where a.attrelid = to_regclass(%(table)s) and a.attnum > 0 and not a.attisdropped;

-- name: read_primary_key
-- The columns of a table's primary key, in order.
select a.attname as name
from pg_index i
cross join lateral unnest(i.indkey) with ordinality as k (attnum, place)
join pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.attnum
where i.indrelid = to_regclass(%(table)s) and i.indisprimary
order by k.place;

-- name: read_migrations
-- The applied migrations with their checksums.
select number, name, checksum from cdc.migration order by number;

-- name: note_lease_problem
-- Stores what is wrong with the leases of a container, or null. It is the same problem only if its sentence is the same.
update cdc.container set
    lease_problem = %(problem)s,
    lease_problem_since = case when lease_problem = %(problem)s then lease_problem_since else now() end,
    leases_seen_at = now()
where container = %(container)s;

-- name: read_lease_problems
-- The problems with leases that were seen for longer than a split takes.
select container, lease_problem, lease_problem_since from cdc.container
where lease_problem is not null and lease_problem_since <= leases_seen_at - make_interval(secs => %(settle)s);

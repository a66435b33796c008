-- Pruning, and table definitions from the catalogue (cdc/operations).

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

-- name: forget_problems
-- Deletes the notes of problems that are gone.
delete from cdc.problem
where (code, container) not in (select * from unnest(%(codes)s::text[], %(containers)s::text[]));

-- name: note_problems
-- Notes problems that are new.
insert into cdc.problem (code, container) select * from unnest(%(codes)s::text[], %(containers)s::text[])
on conflict do nothing;

-- name: read_problems
-- Since when each problem is there.
select code, container, since from cdc.problem;

-- name: read_columns
-- The columns of a table in the database.
select a.attname as name, format_type(a.atttypid, null) as base, format_type(a.atttypid, a.atttypmod) as type,
       a.atttypmod as modifier, a.attnotnull as required,
       a.atthasdef or a.attidentity <> '' or a.attgenerated <> '' as has_default
from pg_attribute a
where a.attrelid = to_regclass(%(table)s) and a.attnum > 0 and not a.attisdropped;

-- name: name_types
-- Types as PostgreSQL writes them, without and with their modifiers.
select format_type(s.oid, null) as base, format_type(s.oid, s.modifier) as type, s.modifier
from unnest(%(oids)s::oid[], %(modifiers)s::int[]) with ordinality as s (oid, modifier, place)
order by s.place;

-- name: read_primary_key
-- The columns of a table's primary key, in order, without those that its index only includes.
select a.attname as name
from pg_index i
cross join lateral unnest(i.indkey) with ordinality as k (attnum, place)
join pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.attnum
where i.indrelid = to_regclass(%(table)s) and i.indisprimary and k.place <= i.indnkeyatts
order by k.place;

-- name: find_refusals
-- Why a table refuses every upsert of these columns: its primary key cannot find a row, a rule rewrites the statement
-- (one on update also while it is off), or a column takes no value.
with t as (
    select c.oid, format('%%I.%%I', n.nspname, c.relname) as name
    from pg_class c join pg_namespace n on n.oid = c.relnamespace where c.oid = to_regclass(%(table)s)
)
select t.name as table, case when i.indisexclusion then 'period' else 'deferrable' end as kind, quote_ident(c.relname),
    (select string_agg(quote_ident(a.attname), ', ' order by k.place)
     from unnest(i.indkey) with ordinality as k (attnum, place)
     join pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.attnum where k.place <= i.indnkeyatts) as key
from t join pg_index i on i.indrelid = t.oid join pg_class c on c.oid = i.indexrelid
where i.indisprimary and (i.indisexclusion or not i.indimmediate)
union all
select t.name, 'rule', quote_ident(r.rulename), null from t join pg_rewrite r on r.ev_class = t.oid
where r.ev_type = '2' or r.ev_type = '3' and r.ev_enabled in ('O', 'A') and not (
    -- What does nothing is no statement beside ours; one that is always in place of ours takes every row away.
    (not r.is_instead or r.ev_qual::text <> '<>')
    and pg_get_ruledef(r.oid) ~ 'DO (INSTEAD )?NOTHING;$' and pg_get_ruledef(r.oid) !~ 'ON CONFLICT[^;]* DO NOTHING;$'
)
union all
select t.name, 'generated', quote_ident(a.attname), null from t join pg_attribute a on a.attrelid = t.oid
where a.attname = any(%(columns)s::text[]) and (a.attidentity = 'a' or a.attgenerated <> '')
order by 2, 3;

-- name: read_missing_rights
-- What the current role may not do: with what schema cdc has, with the mapped tables, and with the sequences and
-- functions in the defaults and checks of their columns. An identity column needs no right on its sequence.
with tables as (
    select c.oid, n.nspname as schema, c.relname as name, c.relkind,
           n.nspname = 'cdc' and c.relname = any(%(read_only)s) as read_only
    from pg_class c
    join pg_namespace n on n.oid = c.relnamespace
    where c.relkind in ('r', 'p', 'f', 'v', 'm') and (
        n.nspname = 'cdc' or (n.nspname, c.relname) in (select * from unnest(%(schemas)s::name[], %(tables)s::name[]))
    )
),
used as (
    select d.refclassid as class, d.refobjid as oid from pg_depend d
    where (d.classid, d.objid) in (
        select 'pg_attrdef'::regclass, a.oid from pg_attrdef a join tables t on t.oid = a.adrelid
        union all
        select 'pg_constraint'::regclass, k.oid from pg_constraint k join tables t on t.oid = k.conrelid
    )
),
-- Materialized: asked about anything else than a sequence, has_sequence_privilege fails.
sequences as materialized (
    select s.oid, n.nspname as schema, s.relname as name
    from pg_class s
    join pg_namespace n on n.oid = s.relnamespace
    where s.relkind = 'S'
      and (n.nspname = 'cdc' or ('pg_class'::regclass, s.oid) in (select class, oid from used))
      and not exists (
          select from pg_depend d where d.classid = 'pg_class'::regclass and d.objid = s.oid and d.deptype = 'i'
      )
)
select format('usage on schema %%I', n.nspname) as missing
from pg_namespace n
where (n.nspname = 'cdc' or n.nspname in (select schema from tables)) and not has_schema_privilege(n.oid, 'usage')
union all
select format('%%s on table %%I.%%I', privilege, t.schema, t.name)
from tables t
cross join unnest(array['select', 'insert', 'update', 'delete']) as p (privilege)
where (privilege = 'select' or t.relkind in ('r', 'p', 'f') and not t.read_only)
  and not has_table_privilege(t.oid, privilege)
union all
select format('usage on sequence %%I.%%I', s.schema, s.name)
from sequences s
where not has_sequence_privilege(s.oid, 'usage')
union all
select format('execute on function %%s', p.oid::regprocedure)
from pg_proc p
join pg_namespace n on n.oid = p.pronamespace
where (n.nspname = 'cdc' or ('pg_proc'::regclass, p.oid) in (select class, oid from used))
  and not has_function_privilege(p.oid, 'execute')
order by missing;

-- name: find_writers
-- The roles that may write the ledger without owning it, the statement that makes the current role a member of each, and
-- whether it is one.
select format('grant %I to %I', r.rolname, current_user), pg_has_role(r.oid, 'usage')
from pg_class c
join pg_namespace n on n.oid = c.relnamespace
cross join lateral aclexplode(c.relacl) as a
join pg_roles r on r.oid = a.grantee
where (n.nspname, c.relname) = ('cdc', 'document') and a.privilege_type = 'INSERT' and a.grantee <> c.relowner
order by r.rolname <> current_database() || '_cdc_writer', r.rolname;

-- name: read_hidden_tables
-- The mapped tables whose row security applies to the current role: its queries are refused, whatever the policies say.
select format('%%I.%%I', n.nspname, c.relname) as hidden
from pg_class c
join pg_namespace n on n.oid = c.relnamespace
where (n.nspname, c.relname) in (select * from unnest(%(schemas)s::name[], %(tables)s::name[]))
  and row_security_active(c.oid)
order by hidden;

-- name: read_migrations
-- The applied migrations of the engine with their checksums.
select number, name, checksum from cdc.migration order by number;

-- name: read_application_migrations
-- The applied migrations of the application with their checksums.
select number, name, checksum from cdc.application_migration order by number;

-- name: read_step
-- How far a step of a migration is.
select position, finished from cdc.migration_step where migration = %(migration)s and step = %(step)s;

-- name: save_step
-- Keeps how far a step of a migration is.
insert into cdc.migration_step (migration, step, position, finished)
values (%(migration)s, %(step)s, %(position)s, %(finished)s)
on conflict (migration, step) do update set position = excluded.position, finished = excluded.finished;

-- name: read_index
-- The table of an index, and whether the index is valid.
select i.indrelid::regclass::text, i.indisvalid from pg_index i where i.indexrelid = to_regclass(%(index)s);

-- name: note_lease_problem
-- Stores what is wrong with the leases of a container, or null. It is the same problem only if its sentence is the same.
update cdc.container set
    lease_problem = %(problem)s,
    lease_problem_since = case when lease_problem = %(problem)s then lease_problem_since else now() end,
    leases_seen_at = now()
where container = %(container)s;

-- name: note_leases
-- Stores which leases a feed has. Other leases than those that were seen last, with a later start, leave a gap, as a new
-- mode does: only a backfill and a complete reconcile that begin later count.
update cdc.container set
    mode_changed_at = case
        when coalesce(%(start)s::timestamptz, '-infinity') > leases_start then greatest(mode_changed_at, %(written_at)s::timestamptz)
        else mode_changed_at
    end,
    leases_written_at = %(written_at)s,
    leases_start = coalesce(%(start)s::timestamptz, '-infinity')
where container = %(container)s and leases_written_at is distinct from %(written_at)s;

-- name: read_lease_problems
-- The problems with leases that were seen for longer than a split takes.
select container, lease_problem, lease_problem_since from cdc.container
where lease_problem is not null and lease_problem_since <= leases_seen_at - make_interval(secs => %(settle)s);

-- name: keep_measurement
-- Keeps the newest result of a costly check.
insert into cdc.measurement as held (name, container, passed, actual)
values (%(name)s, %(container)s, %(passed)s, %(actual)s)
on conflict (name, container) do update set
    passed = excluded.passed, actual = excluded.actual, measured_at = excluded.measured_at;

-- name: read_measurements
-- The newest result of each costly check, and its age in seconds.
select name, container, passed, actual, measured_at, extract(epoch from now() - measured_at)::double precision
from cdc.measurement;

-- name: read_evidence
-- What readiness needs to know of each container. A backfill counts if it began after the last change of the feed's
-- mode, and after the feed last went on during a pause; a comparison of all keys if it began after these and the last
-- delete without identity had settled.
select s.container,
    (
        select max(b.finished_at) from cdc.backfill b join cdc.backfill_container c on c.backfill = b.id
        where c.container = s.container and b.state = 'completed' and not b.dry_run
          and b.started_at >= coalesce(greatest(k.mode_changed_at, k.skipped_at), '-infinity')
    ) as copied_at,
    exists (
        select from cdc.backfill b join cdc.backfill_container c on c.backfill = b.id
        where c.container = s.container and c.running and not b.dry_run
    ) as is_copying,
    (select count(*) from cdc.dead_letter l where l.container = s.container and l.state <> 'discarded') as letters,
    greatest(k.mode_changed_at, k.nameless_delete_at, k.skipped_at) + make_interval(secs => %(settle_seconds)s) as incomplete_until,
    r.completed_at as compared_since,
    k.lease_problem, k.leases_seen_at, extract(epoch from now() - k.leases_seen_at)::double precision as look_age,
    p.reason as pause_reason
from unnest(%(containers)s::text[]) with ordinality as s (container, place)
left join cdc.container k on k.container = s.container
left join cdc.pause p on p.container = s.container
left join cdc.rotation r on r.container = s.container
order by s.place;

-- name: read_completed_runs
-- The reconciles of each container: the newest completed one, with the unclaimed rows that it left, and the drift that
-- the newest one left; how many since the newest one that left drift, and when that one ended. A run that stopped because
-- too much differs left some, too. A run that did not complete counts only if it left drift.
with runs as (
    select container, id, finished_at, state, coalesce((report ->> 'unclaimed')::bigint, 0) as unclaimed,
        coalesce((report ->> 'left')::bigint, 0) + coalesce((report ->> 'unreadable')::bigint, 0)
            - coalesce((report #>> '{drift,unclaimed}')::bigint, 0)
            + coalesce(report ->> 'ended_early' = %(too_much)s, false)::int as unresolved
    from cdc.reconciliation where state <> 'running' and container = any(%(containers)s::text[])
), marked as (
    select *, state = 'completed' as completed,
        max(id) filter (where unresolved > 0) over (partition by container) as unclean
    from runs where state = 'completed' or unresolved > 0
)
select container, max(finished_at) filter (where completed),
    extract(epoch from now() - max(finished_at) filter (where completed))::double precision,
    (array_agg(unresolved order by id desc))[1], (array_agg(unclaimed order by id desc) filter (where completed))[1],
    count(*) filter (where id > coalesce(unclean, 0)), max(finished_at) filter (where id = unclean)
from marked group by container having bool_or(completed);

-- name: read_conditions
-- What status needs to know of each container beside its evidence: since when it is known, how many of its letters wait
-- for a person and what the first of these says, the oldest letter, the unfinished backfill, and when that one last made
-- progress.
select s.container, k.adopted_at, l.unaided, u.letter, l.oldest, b.id,
    (select max(r.updated_at) from cdc.backfill_range r where r.backfill = b.id) as moved_at
from unnest(%(containers)s::text[]) as s (container)
left join cdc.container k on k.container = s.container
cross join lateral (
    select count(*) filter (where state = 'exhausted' or next_attempt_at is null) as unaided,
           min(parked_at) as oldest
    from cdc.dead_letter l where l.container = s.container and l.state <> 'discarded'
) as l
left join lateral (
    select format('%%s: %%s at %%s: %%s', number, kind, path, message) as letter
    from cdc.dead_letter l
    where l.container = s.container and (l.state = 'exhausted' or l.state = 'waiting' and l.next_attempt_at is null)
    order by number limit 1
) as u on true
left join cdc.backfill_container c on c.container = s.container and c.running
left join cdc.backfill b on b.id = c.backfill;

-- name: read_parts_done
-- When each part of the timer that is not done in every run was done last.
select part, done_at from cdc.maintenance;

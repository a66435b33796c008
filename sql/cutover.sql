-- The cut-over (cdc/cutover), its rules (cdc/postgres/rules.py), and the watch after it (cdc/postgres/forgotten.py).

-- name: begin_cutover
-- Begins a rehearsal or a run, or takes over the one that is not over.
insert into cdc.cutover (kind, token, progress) values (%(kind)s, %(token)s, %(progress)s::jsonb)
on conflict (kind) where state = 'running' do update set token = excluded.token
returning number, kind, state, started_at, finished_at, by, progress, problem;

-- name: save_cutover
-- Keeps the progress, unless somebody else has taken it over or ended it.
update cdc.cutover set progress = %(progress)s::jsonb, problem = %(problem)s
where number = %(number)s and token = %(token)s and state = 'running' returning number;

-- name: end_cutover
-- Ends a rehearsal or a run, unless somebody else has taken it over or ended it.
update cdc.cutover set progress = %(progress)s::jsonb, problem = null, state = 'completed', finished_at = now()
where number = %(number)s and token = %(token)s and state = 'running' returning number;

-- name: abort_cutover
-- Ends a run; the process that works on it fails at its next step.
update cdc.cutover set state = 'aborted', finished_at = now(), token = gen_random_uuid()
where kind = 'run' and state = 'running'
returning number, kind, state, started_at, finished_at, by, progress, problem;

-- name: read_cutovers
-- The newest of one kind in these states.
select number, kind, state, started_at, finished_at, by, progress, problem from cdc.cutover
where kind = %(kind)s and state = any(%(states)s::text[]) order by number desc limit 1;

-- name: work_on_run
-- Shows that a process works on a run, until its connection ends. A transaction, because a pooler may give the session to
-- others; it may idle, and the server asks often whether its process is still there.
begin isolation level read committed;
select set_config(s.name, s.value, true)
from (values
    ('idle_in_transaction_session_timeout', '0'), ('transaction_timeout', '0'),
    ('tcp_keepalives_idle', '30'), ('tcp_keepalives_interval', '10'), ('tcp_keepalives_count', '3')
) as s (name, value)
join pg_settings p on p.name = s.name;
select pg_advisory_xact_lock_shared('cdc.cutover'::regclass::oid::int, 0);

-- name: read_unfinished_cutover
-- When the run that is not over began, its step, why the last process stopped, and whether one works on it now.
select started_at, coalesce(nullif(progress ->> 'step', ''), 'check'), problem, exists (
    select from pg_locks
    where locktype = 'advisory' and classid = 'cdc.cutover'::regclass and objsubid = 2
      and database = (select oid from pg_database where datname = current_database())
)
from cdc.cutover where kind = 'run' and state = 'running';

-- name: count_open_letters
-- The dead letters of each container that nobody has discarded, and those of them that no retry will end.
select container, count(*), count(*) filter (where state <> 'waiting' or next_attempt_at is null)
from cdc.dead_letter where state <> 'discarded' and container = any(%(containers)s::text[]) group by container order by container;

-- name: count_pauses
-- The number of paused containers.
select count(*) from cdc.pause where container = any(%(containers)s::text[]);

-- name: read_unique_rule
-- What the catalogue says of the index with a rule's name: whether it belongs to the table, whether it enforces on every
-- row, and on which columns.
select i.indrelid = to_regclass(%(table)s) as is_here,
    i.indisunique and i.indisvalid and i.indisready and i.indpred is null and i.indexprs is null as enforces,
    array(
        select a.attname::text from unnest(i.indkey) with ordinality as k (attnum, place)
        join pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.attnum
        where k.place <= i.indnkeyatts order by a.attname
    ) as columns
from pg_class c left join pg_index i on i.indexrelid = c.oid
where c.relname = %(name)s and c.relnamespace = (select relnamespace from pg_class where oid = to_regclass(%(table)s));

-- name: read_parent_rule
-- What the catalogue says of the constraint with a rule's name: whether it is a foreign key to the parent's primary key,
-- whether it is validated, enforced, and has its triggers on, and on which columns.
select coalesce(c.contype = 'f' and c.confrelid = to_regclass(%(parent)s) and c.confkey = (
        select array_agg(k.attnum order by k.place)
        from pg_index i, unnest(i.indkey) with ordinality as k (attnum, place)
        where i.indrelid = c.confrelid and i.indisprimary and k.place <= i.indnkeyatts
    ), false) as is_here,
    c.convalidated and coalesce((to_jsonb(c) ->> 'conenforced')::boolean, true) and not exists (
        select from pg_trigger t where t.tgconstraint = c.oid and t.tgenabled not in ('O', 'A')
    ) as enforces,
    array(
        select a.attname::text from unnest(c.conkey) as k (attnum)
        join pg_attribute a on a.attrelid = c.conrelid and a.attnum = k.attnum order by a.attname
    ) as columns
from pg_constraint c where c.conname = %(name)s and c.conrelid = to_regclass(%(table)s);

-- name: find_unowned
-- Those of these tables to which the current role may not add a rule, and their owners.
select w.name, pg_get_userbyid(c.relowner) from unnest(%(tables)s::text[]) as w (name)
left join pg_class c on c.oid = to_regclass(w.name)
where c.oid is null or not pg_has_role(c.relowner, 'usage') order by w.name;

-- name: find_closed_schemas
-- The schemas of these tables in which the current role may not create an index.
select distinct c.relnamespace::regnamespace::text from unnest(%(tables)s::text[]) as w (name)
join pg_class c on c.oid = to_regclass(w.name)
where not has_schema_privilege(c.relnamespace, 'create') order by 1;

-- name: begin_watch
-- Begins to watch a container.
insert into cdc.watch (container, positions) values (%(container)s, %(positions)s)
on conflict (container) do update set positions = excluded.positions, since = now(), looked_at = null;

-- name: read_watch
-- Where the watch reads on in each container.
select w.container, w.positions from cdc.watch w where exists (select from cdc.phase where phase = 3) order by w.container;

-- name: find_overdue_watch
-- The watched containers at which nobody has looked for so long, and since when.
select container, coalesce(looked_at, since) as last from cdc.watch
where coalesce(looked_at, since) < now() - make_interval(secs => %(seconds)s) order by container;

-- name: move_watch
-- Moves the place of the watch, unless another instance has moved it.
update cdc.watch set positions = %(after)s, looked_at = now()
where container = %(container)s and positions = %(before)s returning container;

-- name: add_forgotten
-- Notes documents of the feed whose version the ledger does not have. A version counts once, however often it is read.
insert into cdc.forgotten_write as held (key, container, partition_key, id, etag, ts)
select s.* from unnest(
    %(keys)s::bytea[], %(containers)s::text[], %(partition_keys)s::text[], %(ids)s::text[], %(etags)s::text[],
    %(seconds)s::bigint[]
) as s (key, container, partition_key, id, etag, ts)
where not exists (select from cdc.document d where d.key = s.key and d.etag = s.etag)
order by s.key
on conflict (key) do update set
    etag = excluded.etag, ts = excluded.ts, writes = held.writes + 1, last_seen_at = now(), accepted_at = null
where held.etag <> excluded.etag;

-- name: count_forgotten
-- The documents that were written to Cosmos since the cut-over, by container: all, those that nobody has accepted, all
-- their writes, and when the first and the last of those that nobody has accepted were seen.
select container, count(*), count(*) filter (where accepted_at is null), sum(writes)::bigint,
    min(first_seen_at) filter (where accepted_at is null), max(last_seen_at) filter (where accepted_at is null)
from cdc.forgotten_write group by container order by container;

-- name: list_forgotten
-- Some of the documents that were written to Cosmos since the cut-over and that nobody has accepted, newest first.
select container, partition_key, id from cdc.forgotten_write where accepted_at is null
order by last_seen_at desc limit %(limit)s;

-- name: accept_forgotten
-- Accepts what was found so far.
update cdc.forgotten_write set accepted_at = now() where accepted_at is null;

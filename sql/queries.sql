-- Named statements. A line "-- name: x" begins a statement, the comment lines after it describe it.

-- name: read_held
-- The unlocked read that drops what is stale before anything is mapped.
select key, ts, lsn, etag, state, absence from cdc.document where key = any(%(keys)b);

-- name: upsert_documents
-- The ledger under its version guard. Returns the winners.
-- The guard is the NEWER verdict of cdc/version.py, 10 its ABSENCE_SECONDS, or the SAME verdict of what is applied again.
-- A delete event has no etag of its own.
-- The source is what cdc/stage.py has sent, in key order, which is the lock order of all writers: a subquery of arrays
-- alone yields them as they are, so that ORDER BY would only sort them again. Beside a join it would be needed.
insert into cdc.document as held (key, container, partition_key, id, ts, lsn, etag, row_key, state, absence)
select s.key, %s, s.partition_key, s.id, s.ts, s.lsn, s.etag, s.row_key, s.state, s.absence
from {source}
on conflict (key) do update set
    ts = excluded.ts,
    lsn = coalesce(excluded.lsn, case when excluded.ts = held.ts and excluded.etag = held.etag then held.lsn end),
    etag = coalesce(nullif(excluded.etag, ''), held.etag),
    row_key = case when excluded.state = 'parked' then held.row_key else excluded.row_key end,
    abandoned_row_key = case
        when excluded.state <> 'parked' and held.row_key is distinct from excluded.row_key then held.row_key
    end,
    state = excluded.state,
    absence = excluded.absence,
    applied_at = now()
where (
        (excluded.ts > held.ts and coalesce(excluded.lsn >= held.lsn, true))
        or (
            excluded.ts = held.ts and excluded.lsn > held.lsn
            and (excluded.etag <> held.etag or excluded.etag = '')
        )
        or ({reapplies} and excluded.ts = held.ts and excluded.etag = held.etag and held.state <> 'deleted')
    )
    and not (
        held.state = 'deleted'
        and (
            (excluded.etag <> '' and excluded.etag = held.etag)
            or (held.absence and excluded.state <> 'deleted' and abs(excluded.ts - held.ts) <= 10)
        )
    )
returning key, abandoned_row_key;

-- name: lock_documents
-- What the ledger holds, locked in the order of all writers, before a repair compares and sets it.
select key, ts, lsn, etag, state, absence from cdc.document where key = any(%(keys)b) order by key for update;

-- name: replace_documents
-- The ledger without a guard, for repairs that hold the lock and have compared. Returns what upsert_documents returns.
-- The source is what cdc/stage.py has sent.
update cdc.document as held set
    ts = s.ts,
    lsn = s.lsn,
    etag = s.etag,
    row_key = case when s.state = 'parked' then held.row_key else s.row_key end,
    abandoned_row_key = case when s.state <> 'parked' and held.row_key is distinct from s.row_key then held.row_key end,
    state = s.state,
    absence = s.absence,
    applied_at = now()
from (select %s::text) as c (container), {source}
where held.key = s.key and held.container = c.container
returning held.key, held.abandoned_row_key;

-- name: note_documents
-- What ledger and dead letters say of documents before the source is asked about them.
select k.key, d.ts, d.lsn, d.etag, d.state, d.absence, l.number, l.revision,
    -- An undecided letter is younger than what the source may still answer, until it is due.
    coalesce(l.kind <> 'undecided' or l.next_attempt_at <= now(), false) as due,
    coalesce(
        l.doubted_at + make_interval(secs => %(settle_seconds)s) <= now()
            and coalesce(d.applied_at < l.doubted_at, true),
        false
    ) as settled,
    l.etag as doubted_etag
from unnest(%(keys)b::bytea[]) as k (key)
left join cdc.document d on d.key = k.key
left join cdc.dead_letter l on l.key = k.key;

-- name: read_holder
-- The document that holds a row.
select partition_key, id from cdc.document where container = %(container)s and row_key = %(row_key)s;

-- name: lock_letters
-- The letters that a transaction will clear, replace or wake, in the lock order of all writers.
select key from cdc.dead_letter
where key = any(%(keys)b)
   or (wanted_table = %(table)s and wanted_key = any(%(freed)b::text[] || %(written)b::text[]))
order by key for update;

-- name: park
-- One letter for each document. An undecided letter stays until a newer version replaces it: it alone knows
-- that the ledger's version may not be the newest. Of several it keeps the greatest ts and lsn, so that only a version
-- that is surely newer than all of them answers it. It is due when its second is over, whatever the source's clock.
insert into cdc.dead_letter as held
    (key, container, partition_key, id, ts, lsn, etag, kind, path, message, wanted_table, wanted_key, next_attempt_at)
values (
    %(key)s, %(container)s, %(partition_key)s, %(id)s, %(ts)s, %(lsn)s, %(etag)s, %(kind)s, %(path)s, %(message)s,
    %(wanted_table)s, %(wanted_key)s,
    case
        when %(kind)s = 'undecided' then least(to_timestamp(%(ts)s + 2), now() + interval '10 seconds')
        when %(kind)s in ('conflict', 'missing_parent') then now() + make_interval(secs => %(backoff_seconds)s)
    end
)
on conflict (key) do update set
    ts = greatest(excluded.ts, case excluded.kind when 'undecided' then held.ts end),
    lsn = greatest(excluded.lsn, case excluded.kind when 'undecided' then held.lsn end),
    etag = excluded.etag, kind = excluded.kind, path = excluded.path, message = excluded.message, state = 'waiting',
    wanted_table = excluded.wanted_table, wanted_key = excluded.wanted_key, attempts = 0, revision = held.revision + 1,
    next_attempt_at = excluded.next_attempt_at, parked_at = now(), doubted_at = null, claimed_until = null
where held.kind <> 'undecided' or excluded.kind = 'undecided'
   or (excluded.ts > held.ts and coalesce(excluded.lsn >= held.lsn, true));

-- name: park_again
-- A letter whose document was read again and refused again: what waits for another document has five tries. Those
-- that it had while it waited for something else do not count: for that row it was not known to wait, so that whoever
-- freed or wrote the row meanwhile has not woken it. A version that nobody wants read again stays so.
update cdc.dead_letter l set
    ts = %(ts)s, lsn = %(lsn)s, etag = %(etag)s, kind = %(kind)s, path = %(path)s, message = %(message)s,
    wanted_table = %(wanted_table)s, wanted_key = %(wanted_key)s, attempts = n.attempts,
    state = case
        when l.state = 'discarded' and l.etag = %(etag)s then 'discarded'
        when n.waits and n.attempts >= 5 then 'exhausted'
        else 'waiting'
    end,
    next_attempt_at = case
        when n.waits then now() + make_interval(secs => %(backoff_seconds)s * 2 ^ least(n.attempts, 5))
    end,
    revision = l.revision + 1, doubted_at = null, claimed_until = null
from (
    select number, waits, case when same then attempts + 1 else 0 end
    from cdc.dead_letter
    cross join lateral (select
        %(kind)s in ('conflict', 'missing_parent'),
        (%(kind)s in ('conflict', 'missing_parent')) = (kind in ('conflict', 'missing_parent'))
            and (wanted_table, wanted_key) is not distinct from (%(wanted_table)s::text, %(wanted_key)s::text)
    ) as k (waits, same)
    where number = %(number)s
) as n (number, waits, attempts)
where l.number = n.number and l.revision = %(revision)s;

-- name: doubt
-- An answer of the source that must be repeated after the settle time before it is believed. The same answer, which the
-- etag tells, does not begin that time anew, unless the ledger has changed.
insert into cdc.dead_letter as held
    (key, container, partition_key, id, ts, lsn, etag, kind, path, message, doubted_at, next_attempt_at)
values (
    %(key)s, %(container)s, %(partition_key)s, %(id)s, %(ts)s, %(lsn)s, %(etag)s, 'undecided', '_ts', %(message)s,
    now(), now() + make_interval(secs => %(settle_seconds)s)
)
on conflict (key) do update set
    (doubted_at, next_attempt_at) = (
        select s.since, s.since + make_interval(secs => %(settle_seconds)s)
        from (
            select case
                when held.etag = excluded.etag
                    and not exists (select from cdc.document d where d.key = held.key and d.applied_at >= held.doubted_at)
                then coalesce(held.doubted_at, excluded.doubted_at) else excluded.doubted_at
            end
        ) as s (since)
    ),
    etag = excluded.etag, revision = held.revision + 1, state = 'waiting', claimed_until = null;

-- name: claim_letters
-- Letters that are due, for one retry; another one does not see them until it is over or the claim has run out.
update cdc.dead_letter l set claimed_until = now() + make_interval(secs => %(claim_seconds)s)
from (
    select key from cdc.dead_letter
    where state = 'waiting' and next_attempt_at <= now() and coalesce(claimed_until <= now(), true)
      and container = any(%(containers)s::text[])
    order by next_attempt_at limit %(limit)s for update skip locked
) as due
where l.key = due.key
returning l.container, l.partition_key, l.id;

-- name: postpone_letter
-- A letter whose document could not be read now.
update cdc.dead_letter set next_attempt_at = now() + make_interval(secs => %(backoff_seconds)s), claimed_until = null
where key = %(key)s;

-- name: release_letter
-- A letter whose document somebody else has written meanwhile: it is due still, if it is there still.
update cdc.dead_letter set claimed_until = null where key = %(key)s;

-- name: answer_letters
-- The letters that were there before the source was asked; one that came or changed meanwhile stays.
delete from cdc.dead_letter l
using unnest(%(numbers)b::bigint[], %(revisions)b::bigint[]) as s (number, revision)
where l.number = s.number and l.revision = s.revision;

-- name: wake_letters
-- What waited for these rows is due: a conflict for its row to be free, all others for theirs to be written. A try
-- that began before leaves the letter as it is.
update cdc.dead_letter set
    state = 'waiting', attempts = 0, next_attempt_at = now(), claimed_until = null, revision = revision + 1
where wanted_table = %(table)s and state <> 'discarded'
  and (
      wanted_key = any(%(freed)b::text[])
      or (wanted_key = any(%(written)b::text[]) and path <> 'document_row_key_unique')
  );

-- name: clear_letters
-- A version that applied answers the letters of the versions before it; an undecided one must be surely before it.
delete from cdc.dead_letter l
using unnest(%(keys)b::bytea[], %(ts)b::bigint[], %(lsns)b::bigint[]) as s (key, ts, lsn)
where l.key = s.key and (l.kind <> 'undecided' or (s.ts > l.ts and coalesce(s.lsn >= l.lsn, true)));

-- name: count_documents
-- What the ledger holds, by container and state.
select container, state, count(*) as documents, max(ts) as newest_ts from cdc.document group by container, state;

-- name: count_letters
-- What waits to be read again, by container, kind and state.
select container, kind, state, count(*) as documents from cdc.dead_letter group by container, kind, state;

-- name: read_unique_columns
-- The table and the columns of a unique index among these tables.
select n.nspname || '.' || t.relname as table, array_agg(a.attname::text order by k.place) as columns
from pg_index i
join pg_class c on c.oid = i.indexrelid
join pg_class t on t.oid = i.indrelid
join pg_namespace n on n.oid = t.relnamespace
cross join lateral unnest(i.indkey) with ordinality as k (attnum, place)
left join pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.attnum
where c.relname = %(constraint)s and i.indrelid = any(%(tables)s::regclass[])
group by 1;

-- name: read_referenced_key
-- The table that a foreign key points to, and the columns that hold its primary key, in that key's order.
select n.nspname || '.' || t.relname as table, array_agg(a.attname::text order by p.place) as columns
from pg_constraint f
join pg_class t on t.oid = f.confrelid
join pg_namespace n on n.oid = t.relnamespace
join pg_index i on i.indrelid = f.confrelid and i.indisprimary
cross join lateral unnest(i.indkey) with ordinality as p (attnum, place)
cross join lateral unnest(f.confkey, f.conkey) as k (theirs, ours)
join pg_attribute a on a.attrelid = f.conrelid and a.attnum = k.ours and k.theirs = p.attnum
where f.contype = 'f' and f.conname = %(constraint)s and f.conrelid = any(%(tables)s::regclass[])
group by 1;

-- name: count_observations
-- Count documents by path, in key order; a container has no more paths than fit a page.
insert into cdc.observation as held (container, kind, path, documents)
select %(container)s, s.kind, s.path, s.documents
from (
    select s.*, o.path is null as is_new, row_number() over (partition by o.path is null order by s.kind, s.path) as place
    from unnest(%(kinds)s::text[], %(paths)s::text[], %(documents)s::bigint[]) as s (kind, path, documents)
    left join cdc.observation o on (o.container, o.kind, o.path) = (%(container)s, s.kind, s.path)
) as s
where not s.is_new or s.place <= 500 - (select count(*) from cdc.observation where container = %(container)s)
order by s.kind, s.path
on conflict (container, kind, path) do update set
    documents = held.documents + excluded.documents, last_seen_at = now();

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

-- name: read_columns
-- The columns of a table as the database has them.
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
-- What was applied, and the checksum it had.
select number, name, checksum from cdc.migration order by number;

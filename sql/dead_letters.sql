-- Dead letters (cdc/repair): parking, reading again, and the rows that letters wait for.

-- name: note_documents
-- Ledger entries and dead letters of documents, read before the source is asked.
select k.key, extract(epoch from now())::bigint, d.ts, d.lsn, d.etag, d.state, d.absence, l.number, l.revision,
    -- Until an undecided letter is due, the source may still answer with an older version.
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

-- name: lock_letters
-- Locks the letters that a transaction will clear, replace or wake, in the lock order of all writers.
select key from cdc.dead_letter
where key = any(%(keys)b)
   or wanted_row = any(%(freed)b::bytea[] || %(written)b::bytea[])
order by key for update;

-- name: park
-- One letter per document. An undecided letter stays until a newer version replaces it: only the letter shows that the
-- ledger's version may not be the newest. It keeps the greatest ts and lsn of several versions, so that only a version
-- surely newer than all of them answers it. It is due after its second is over, with a maximum if clocks differ.
insert into cdc.dead_letter as held
    (key, container, partition_key, id, ts, lsn, etag, kind, path, message, wanted_table, wanted_key, wanted_row,
        next_attempt_at)
values (
    %(key)s, %(container)s, %(partition_key)s, %(id)s, %(ts)s, %(lsn)s, %(etag)s, %(kind)s, %(path)s, %(message)s,
    %(wanted_table)s, %(wanted_key)s, %(wanted_row)s,
    case
        when %(kind)s = 'undecided' then least(
            to_timestamp(%(ts)s + %(undecided_seconds)s), now() + make_interval(secs => %(undecided_at_most)s)
        )
        when %(kind)s = any(%(waiting)s) then now() + make_interval(secs => %(backoff_seconds)s)
    end
)
on conflict (key) do update set
    ts = greatest(excluded.ts, case excluded.kind when 'undecided' then held.ts end),
    lsn = greatest(excluded.lsn, case excluded.kind when 'undecided' then held.lsn end),
    etag = excluded.etag, kind = excluded.kind, path = excluded.path, message = excluded.message, state = 'waiting',
    wanted_table = excluded.wanted_table, wanted_key = excluded.wanted_key, wanted_row = excluded.wanted_row,
    attempts = 0, revision = held.revision + 1,
    next_attempt_at = excluded.next_attempt_at, parked_at = now(), doubted_at = null, claimed_until = null
where held.kind <> 'undecided' or excluded.kind = 'undecided'
   or cdc.surely_newer(excluded.ts, excluded.lsn, held.ts, held.lsn);

-- name: park_again
-- A document was read again and refused again. A letter that waits for another document has a limited number of tries.
-- Tries while it waited for another row do not count: nobody knew that it waits for this row, so nothing woke it when
-- the row was freed or written. A discarded version stays discarded.
update cdc.dead_letter l set
    ts = %(ts)s, lsn = %(lsn)s, etag = %(etag)s, kind = %(kind)s, path = %(path)s, message = %(message)s,
    wanted_table = %(wanted_table)s, wanted_key = %(wanted_key)s, wanted_row = %(wanted_row)s, attempts = n.attempts,
    state = case
        when l.state = 'discarded' and l.etag = %(etag)s then 'discarded'
        when n.waits and n.attempts >= %(tries)s then 'exhausted'
        else 'waiting'
    end,
    next_attempt_at = case
        when n.waits then now() + make_interval(secs => %(backoff_seconds)s * 2 ^ least(n.attempts, %(tries)s))
    end,
    revision = l.revision + 1, doubted_at = null, claimed_until = null
from (
    select number, waits, case when same then attempts + 1 else 0 end
    from cdc.dead_letter
    cross join lateral (select
        %(kind)s = any(%(waiting)s),
        (%(kind)s = any(%(waiting)s)) = (kind = any(%(waiting)s))
            and wanted_row is not distinct from %(wanted_row)s
    ) as k (waits, same)
    where number = %(number)s
) as n (number, waits, attempts)
where l.number = n.number and l.revision = %(revision)s;

-- name: doubt
-- Notes an answer that the source must repeat after the settle time. The same answer, recognized by its etag, does not
-- restart that time, unless the ledger has changed.
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
-- Claims due letters for one retry; other retries do not see them until it has finished or the claim has expired. The
-- letters of paused containers rest.
update cdc.dead_letter l set claimed_until = now() + make_interval(secs => %(claim_seconds)s)
from (
    select key from cdc.dead_letter
    where state = 'waiting' and next_attempt_at <= now() and coalesce(claimed_until <= now(), true)
      and container = any(%(containers)s::text[]) and container not in (select container from cdc.pause)
    order by next_attempt_at limit %(limit)s for update skip locked
) as due
where l.key = due.key
returning l.container, l.partition_key, l.id;

-- name: postpone_letter
-- Postpones a letter whose document could not be read.
update cdc.dead_letter set next_attempt_at = now() + make_interval(secs => %(backoff_seconds)s), claimed_until = null
where key = %(key)s;

-- name: release_letter
-- Releases a letter whose document another writer has changed: if the letter still exists, it is still due.
update cdc.dead_letter set claimed_until = null where key = %(key)s;

-- name: answer_letters
-- Deletes the letters that were read before the source was asked; a letter that is new or has changed stays.
delete from cdc.dead_letter l
using unnest(%(numbers)b::bigint[], %(revisions)b::bigint[]) as s (number, revision)
where l.number = s.number and l.revision = s.revision;

-- name: wake_letters
-- Makes due the letters that wait for these rows: a conflict waits until its row is freed, others until their row is
-- written. The new revision makes a retry that began before leave the letter unchanged.
update cdc.dead_letter set
    state = 'waiting', attempts = 0, next_attempt_at = now(), claimed_until = null, revision = revision + 1
where state <> 'discarded'
  and (
      wanted_row = any(%(freed)b::bytea[])
      or (wanted_row = any(%(written)b::bytea[]) and path <> 'document_row_key_unique')
  );

-- name: clear_letters
-- Deletes the letters of older versions than the applied ones; an undecided letter only if it is surely older.
delete from cdc.dead_letter l
using unnest(%(keys)b::bytea[], %(ts)b::bigint[], %(lsns)b::bigint[]) as s (key, ts, lsn)
where l.key = s.key and (l.kind <> 'undecided' or cdc.surely_newer(s.ts, s.lsn, l.ts, l.lsn));

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
-- Makes letters due now, except letters that must wait for their second or for a second answer. A discarded letter is
-- included only by its number. The new revision makes a retry that began before leave the letter unchanged.
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
-- Stops automatic retries of a letter. An undecided letter is a change that is not in PostgreSQL yet: it stays.
update cdc.dead_letter set state = 'discarded', next_attempt_at = null, revision = revision + 1
where number = %(number)s and kind <> 'undecided' and doubted_at is null;

-- name: read_unique_columns
-- The table and the columns of a unique index among these tables, without those that it only includes.
select n.nspname || '.' || t.relname as table, array_agg(a.attname::text order by k.place) as columns
from pg_index i
join pg_class c on c.oid = i.indexrelid
join pg_class t on t.oid = i.indrelid
join pg_namespace n on n.oid = t.relnamespace
cross join lateral unnest(i.indkey) with ordinality as k (attnum, place)
left join pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.attnum
where c.relname = %(constraint)s and i.indrelid = any(%(tables)s::regclass[]) and k.place <= i.indnkeyatts
group by 1;

-- name: read_referenced_key
-- The one of these tables that has a foreign key, the table that this points to, and the columns that hold the primary
-- key of that, in that key's order.
select ns.nspname || '.' || s.relname as table, nt.nspname || '.' || t.relname as parent,
    array_agg(a.attname::text order by p.place) as columns
from pg_constraint f
join pg_class s on s.oid = f.conrelid
join pg_namespace ns on ns.oid = s.relnamespace
join pg_class t on t.oid = f.confrelid
join pg_namespace nt on nt.oid = t.relnamespace
join pg_index i on i.indrelid = f.confrelid and i.indisprimary
cross join lateral unnest(i.indkey) with ordinality as p (attnum, place)
cross join lateral unnest(f.confkey, f.conkey) as k (theirs, ours)
join pg_attribute a on a.attrelid = f.conrelid and a.attnum = k.ours and k.theirs = p.attnum
where f.contype = 'f' and f.conname = %(constraint)s and f.conrelid = any(%(tables)s::regclass[])
group by 1, 2;

-- name: read_index_columns
-- The indexes of a table with their columns, also those in expressions.
select c.relname as index, array_agg(a.attname::text) as columns
from pg_index i
join pg_class c on c.oid = i.indexrelid
join pg_attribute a on a.attrelid = i.indrelid and a.attnum > 0
where i.indrelid = to_regclass(%(table)s)
  and (
      a.attnum = any(i.indkey)
      or exists (
          select from pg_depend d
          where d.classid = 'pg_class'::regclass and d.objid = i.indexrelid
            and d.refclassid = 'pg_class'::regclass and d.refobjid = i.indrelid and d.refobjsubid = a.attnum
      )
  )
group by c.oid, c.relname;

-- Tables that exist already, as `python -m cdc init --table` reads them (cdc/modelling/table_catalogue.py).

-- name: find_tables
-- The relations of this name, whatever its capitals; the one that is spelled so first.
select c.oid, n.nspname, c.relname, c.relkind
from pg_class c
join pg_namespace n on n.oid = c.relnamespace
where lower(n.nspname) = lower(%(schema)s) and lower(c.relname) = lower(%(name)s) and c.relkind in ('r', 'p', 'v', 'm', 'f')
order by (n.nspname, c.relname) <> (%(schema)s, %(name)s), n.nspname, c.relname;

-- name: read_table_columns
-- The columns of a table: the type without and with its modifier, how it is made, and the labels of an enum. Of an array
-- these are its items' type.
select a.attname, format_type(a.atttypid, null), format_type(a.atttypid, a.atttypmod), a.atttypmod, t.typtype::text,
       t.typname, tn.nspname, a.attnotnull, a.attidentity::text, a.attgenerated <> '',
       pg_get_expr(d.adbin, d.adrelid),
       array(select e.enumlabel::text from pg_enum e where e.enumtypid = t.oid order by e.enumsortorder)
from pg_attribute a
join pg_type w on w.oid = a.atttypid
join pg_type t on t.oid = case w.typcategory when 'A' then w.typelem else w.oid end
join pg_namespace tn on tn.oid = t.typnamespace
left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
where a.attrelid = %(table)s and a.attnum > 0 and not a.attisdropped
order by a.attnum;

-- name: read_table_references
-- The foreign keys of a table, and those of others that refer to it: both ends, and whether both change together.
select k.conrelid, fn.nspname, f.relname, k.conname, format('%%I.%%I', fn.nspname, f.relname),
       format('%%I.%%I', tn.nspname, t.relname),
       array(select a.attname::text from unnest(k.conkey) with ordinality as c (attnum, place)
             join pg_attribute a on a.attrelid = k.conrelid and a.attnum = c.attnum order by c.place),
       array(select a.attname::text from unnest(k.confkey) with ordinality as c (attnum, place)
             join pg_attribute a on a.attrelid = k.confrelid and a.attnum = c.attnum order by c.place),
       k.condeferrable, k.confdeltype::text
from pg_constraint k
join pg_class f on f.oid = k.conrelid
join pg_namespace fn on fn.oid = f.relnamespace
join pg_class t on t.oid = k.confrelid
join pg_namespace tn on tn.oid = t.relnamespace
where k.contype = 'f' and k.conparentid = 0 and %(table)s in (k.conrelid, k.confrelid)
order by fn.nspname, f.relname, k.conname;

-- name: read_table_rules
-- What a table demands of its rows beside its columns' types: unique rules, checks, triggers, and rules on delete. An
-- index alone is dropped in another way than that of a constraint.
select case when exists (select from pg_constraint k where k.conindid = i.indexrelid and k.contype = 'u') then 'unique'
            else 'index' end,
       c.relname, pg_get_indexdef(i.indexrelid)
from pg_index i join pg_class c on c.oid = i.indexrelid
where i.indrelid = %(table)s and i.indisunique and not i.indisprimary
union all
select case contype when 'c' then 'check' else 'exclusion' end, conname, pg_get_constraintdef(oid)
from pg_constraint where conrelid = %(table)s and contype in ('c', 'x')
union all
select 'trigger', tgname, pg_get_triggerdef(oid)
from pg_trigger where tgrelid = %(table)s and not tgisinternal and tgenabled <> 'D'
union all
select 'rule', rulename, pg_get_ruledef(oid)
from pg_rewrite where ev_class = %(table)s and ev_type = '4' and ev_enabled <> 'D'
order by 1, 2;

-- name: read_table_key
-- The name of a table's primary key, and whether rows with given values of these columns are found by an index.
select (select conname from pg_constraint where conrelid = %(table)s and contype = 'p'),
       cardinality(%(columns)s::text[]) = 0 or exists (
           select from pg_index i
           where i.indrelid = %(table)s and i.indisvalid and i.indpred is null
             and cardinality(%(columns)s::text[]) = (
                 select count(*) from unnest(i.indkey) with ordinality as k (attnum, place)
                 join pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.attnum
                 where k.place <= cardinality(%(columns)s::text[]) and a.attname = any(%(columns)s)
             )
       );

-- The ledger's row key: a hash of the root row's table and primary key. Runs beside the release before it, whose writes
-- triggers complete: docs/decisions/0039-row-keys.md.

-- step: transaction letter_columns
create function cdc.qualify(row_table text, row_key text) returns text language sql stable parallel safe as $$
    select '[' || to_json(row_table)::text || ',' || substr(row_key, 2)
$$;
comment on function cdc.qualify is 'A row key, a JSON array, with its table as the first element.';
create function cdc.row_hash(row_table text, row_key text) returns bytea language sql stable parallel safe as $$
    select sha256(convert_to(cdc.qualify(row_table, row_key), 'UTF8'))
$$;
comment on function cdc.row_hash is 'The hash of a row key: cdc/core/row_keys.py has the same.';

alter table cdc.dead_letter add column wanted_row bytea;
comment on column cdc.dead_letter.wanted_row is 'The row that must come or go before the document can be applied.';

create function cdc.complete_letter() returns trigger language plpgsql as $$
begin
    new.wanted_row := cdc.row_hash(new.wanted_table, new.wanted_key);
    return new;
end
$$;
create trigger complete_new before insert on cdc.dead_letter for each row
    when (new.wanted_key is not null and new.wanted_row is null) execute function cdc.complete_letter();
create trigger complete_changed before update on cdc.dead_letter for each row
    when (
        (new.wanted_key is not null and new.wanted_row is null)
        or (new.wanted_key is distinct from old.wanted_key and new.wanted_row = old.wanted_row)
    ) execute function cdc.complete_letter();

-- A row that no document claims had a hash of its own.
update cdc.drift set key = cdc.row_hash(row_table, row_key) where kind = 'unclaimed';
comment on column cdc.drift.key is 'SHA-256 of the identity of a document, or cdc.row_hash of a row that none claims.';

-- step: index cdc.dead_letter_row
create index concurrently if not exists dead_letter_row on cdc.dead_letter (wanted_row) where wanted_row is not null;

-- step: batches letters
with batch as (
    select key from cdc.dead_letter
    where key > decode(%(after)s, 'hex') and wanted_key is not null and wanted_row is null
    order by key limit %(limit)s for update
), filled as (
    update cdc.dead_letter set wanted_row = cdc.row_hash(wanted_table, wanted_key)
    where key = any(array(select key from batch))
)
select encode(key, 'hex') from batch order by key desc limit 1;

-- step: transaction hash
-- Nobody fills it before its rule stands: while a unique index is built it refuses at once, also two documents that
-- swap their rows.
alter table cdc.document add column row_hash bytea;
comment on column cdc.document.row_hash is 'Hash of the table and the primary key of the root row last written; null when there is none.';

-- step: index cdc.document_row_hash
create unique index concurrently if not exists document_row_hash on cdc.document (row_hash);

-- step: transaction rule
alter table cdc.document
    add constraint document_row_hash unique using index document_row_hash deferrable initially deferred,
    add column row_table text;
comment on column cdc.document.row_table is 'The table of the row of row_key.';

-- The table of rows whose writer named none. migrate tells the root tables of this release.
do $do$
begin
    execute format(
        'create function cdc.root_table(container text) returns text language sql immutable parallel safe as '
        '$$ select %L::jsonb ->> container $$', current_setting('cdc.root_tables'));
end
$do$;
comment on function cdc.root_table is 'The root table of a container when a container had only one.';

create function cdc.complete_document() returns trigger language plpgsql as $$
declare
    root constant text := cdc.root_table(new.container);
begin
    -- The release before knows one table by container: it would delete the row of that table with the same key.
    if tg_op = 'UPDATE' and old.row_table <> root then
        new.abandoned_row_key := null;
    end if;
    new.row_table := case when new.row_key is not null then root end;
    -- A container that this release does not map any more keeps its rule.
    new.row_hash := cdc.row_hash(coalesce(root, new.container), new.row_key);
    return new;
end
$$;
create trigger complete_new before insert on cdc.document for each row
    when (new.row_key is not null and new.row_hash is null) execute function cdc.complete_document();
create trigger complete_changed before update on cdc.document for each row
    when (
        (new.row_key is null) <> (new.row_hash is null)
        or (new.row_key <> old.row_key and new.row_hash = old.row_hash)
    ) execute function cdc.complete_document();

-- step: batches documents
with batch as (
    select key from cdc.document
    where key > decode(%(after)s, 'hex') and row_key is not null and row_hash is null
    order by key limit %(limit)s for update
), filled as (
    update cdc.document set
        row_table = cdc.root_table(container),
        row_hash = cdc.row_hash(coalesce(cdc.root_table(container), container), row_key)
    where key = any(array(select key from batch))
)
select encode(key, 'hex') from batch order by key desc limit 1;

-- step: transaction end
-- The new rule takes the name of the old one, which the release before looks for.
alter table cdc.document drop constraint document_row_key_unique;
alter table cdc.document rename constraint document_row_hash to document_row_key_unique;

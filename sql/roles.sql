-- The roles of this database and their rights. Run what `python -m cdc roles` prints, which is this file with the names of
-- the mapped tables, before the first migration and after every one, as a role that may create roles and grant rights on
-- the database and the mapped tables, such as the server's administrator. A second run changes nothing. Role names contain the database's name, because environments may share one server.
--
--   <database>_cdc_owner    for migrations: owns schema cdc and everything that migrations create
--   <database>_cdc_writer   for the app: reads and writes rows, and creates no permanent objects
--   <database>_cdc_reader   for people and reports: reads the mapped tables, and what identifies no document in cdc
--
-- The roles have no login. Grant one to each login: grant app_cdc_writer to "the app's login".
do $$
declare
    -- The tables that the mappers write. Without the setting, rights on what the owner creates are all that is granted.
    mapped constant text[] := array(
        select json_array_elements_text(coalesce(nullif(current_setting('cdc.mapped_tables', true), ''), '[]')::json)
    );
    -- The tables of schema cdc that only the owner writes. cdc/operations/rights.py has these, application_migration and
    -- migration_step: releases that do not know them demand the writer's rights on them, too.
    read_only constant text[] := array['migration', 'phase', 'phase_change', 'cutover'];
    database constant text := current_database();
    owner constant text := database || '_cdc_owner';
    writer constant text := database || '_cdc_writer';
    reader constant text := database || '_cdc_reader';
    role text;
    name text;
    object text;
    target regclass;
begin
    if octet_length(writer) > 63 then
        raise exception 'The name of database % is too long for role names: they have at most 63 bytes.', database;
    end if;
    foreach role in array array[owner, writer, reader] loop
        if not exists (select from pg_roles where rolname = role) then
            execute format('create role %I nologin', role);
        end if;
        execute format('grant connect on database %I to %I', database, role);
        execute format('grant usage on schema public to %I', role);
    end loop;

    -- Only a member of the owner role can change owners to it and set its default privileges.
    if not pg_has_role(current_user, owner, 'usage') then
        execute format('grant %I to %I', owner, current_user);
    end if;
    execute format('grant create on database %I to %I', database, owner);
    execute format('grant create on schema public to %I', owner);
    execute format('create schema if not exists cdc authorization %I', owner);
    execute format('alter schema cdc owner to %I', owner);
    execute format('grant usage on schema cdc to %I, %I', writer, reader);

    -- Everything in cdc is the owner's, whoever created it. A column's sequence goes with its table.
    for object in
        select format('%s cdc.%I', case c.relkind when 'S' then 'sequence' when 'c' then 'type' else 'table' end, relname)
        from pg_class c
        where c.relnamespace = 'cdc'::regnamespace and c.relkind in ('r', 'p', 'f', 'v', 'm', 'S', 'c')
          and not (c.relkind = 'S' and exists (
              select from pg_depend d
              where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype in ('a', 'i')
          ))
        union all
        select format('routine %s', oid::regprocedure) from pg_proc where pronamespace = 'cdc'::regnamespace
        union all
        select format('type cdc.%I', typname) from pg_type
        where typnamespace = 'cdc'::regnamespace and typtype in ('d', 'e', 'r')
    loop
        execute format('alter %s owner to %I', object, owner);
    end loop;
    execute format('grant select, insert, update, delete on all tables in schema cdc to %I', writer);
    execute format('grant usage on all sequences in schema cdc to %I', writer);
    execute format('grant execute on all routines in schema cdc to %I', writer);

    foreach name in array mapped loop
        target := to_regclass(name);
        continue when target is null;
        begin
            execute (
                select format('grant usage on schema %I to %I, %I, %I', n.nspname, owner, writer, reader)
                from pg_class c join pg_namespace n on n.oid = c.relnamespace where c.oid = target
            );
            -- The owner records a phase, whose checks read these tables.
            execute format('grant select, insert, update, delete on %s to %I, %I', target, writer, owner);
            execute format('grant select on %s to %I', target, reader);
            -- The defaults and checks of its columns run with the writer's rights.
            for object in
                select case when s.oid is null then format('execute on function %s', d.refobjid::regprocedure)
                       else format('usage on sequence %s', s.oid::regclass) end
                from pg_depend d
                left join pg_class s on d.refclassid = 'pg_class'::regclass and s.oid = d.refobjid and s.relkind = 'S'
                where (s.oid is not null or d.refclassid = 'pg_proc'::regclass)
                  and (d.classid, d.objid) in (
                      select 'pg_attrdef'::regclass, a.oid from pg_attrdef a where a.adrelid = target
                      union all
                      select 'pg_constraint'::regclass, c.oid from pg_constraint c where c.conrelid = target
                  )
            loop
                execute format('grant %s to %I, %I', object, writer, owner);
            end loop;
        exception when insufficient_privilege then null; -- the sentence below says more
        end;
        -- Who may do something with a table, but not grant it, gets a mere warning.
        if not (
            select bool_and(has_table_privilege(writer, target, privilege))
            from unnest(array['select', 'insert', 'update', 'delete']) as p (privilege)
        ) then
            raise exception 'Role % may not grant rights on table %: run this file as a member of role %.',
                current_user, target, (select pg_get_userbyid(relowner) from pg_class where oid = target);
        end if;
    end loop;

    -- Rights on what later migrations create.
    foreach object in array array[
        'in schema cdc grant select, insert, update, delete on tables', 'in schema cdc grant usage on sequences',
        'in schema cdc grant execute on routines', 'in schema public grant select, insert, update, delete on tables',
        'in schema public grant usage on sequences', 'in schema public grant execute on routines'
    ] loop
        execute format('alter default privileges for role %I %s to %I', owner, object, writer);
    end loop;
    execute format(
        'alter default privileges for role %I in schema public grant select on tables to %I', owner, reader);

    -- Readers get no identities, which cdc keeps after a delete.
    foreach name in array read_only loop
        if to_regclass(format('cdc.%I', name)) is not null then
            execute format('revoke insert, update, delete on cdc.%I from %I', name, writer);
            execute format('grant select on cdc.%I to %I', name, reader);
        end if;
    end loop;
    if to_regclass('cdc.application_migration') is not null then
        execute format('grant select on cdc.application_migration to %I', reader);
    end if;
    if to_regclass('cdc.document') is not null then
        execute format('grant select (container, ts, lsn, state, applied_at, unmapped_type) on cdc.document to %I',
            reader);
    end if;
    if to_regclass('cdc.dead_letter') is not null then
        execute format(
            'grant select (number, container, ts, lsn, kind, message, state, attempts, next_attempt_at, parked_at)'
            ' on cdc.dead_letter to %I', reader);
    end if;
    -- Paths contain names of properties, never personal data.
    if to_regclass('cdc.observation') is not null then
        execute format('grant select on cdc.observation, cdc.container to %I', reader);
    end if;
    if to_regclass('cdc.measurement') is not null then
        execute format('grant select on cdc.measurement to %I', reader);
    end if;
    if to_regclass('cdc.sample') is not null then
        execute format('grant select on cdc.sample, cdc.ledger_count, cdc.applied to %I', reader);
    end if;
    if to_regclass('cdc.problem') is not null then
        execute format('grant select on cdc.problem, cdc.failed_batch to %I', reader);
    end if;
end
$$;

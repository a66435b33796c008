-- The roles of this database and their rights. Run this file before the first migration and after every one, as a role
-- that may create roles and grant rights on the database and the mapped tables, such as the server's administrator.
-- A second run changes nothing. Role names contain the database's name, because environments may share one server.
--
--   <database>_cdc_owner    for migrations: owns schema cdc and everything that migrations create
--   <database>_cdc_writer   for the app: reads and writes rows, and creates no permanent objects
--   <database>_cdc_reader   for people and reports: reads the mapped tables, and what identifies no document in cdc
--
-- The roles have no login. Grant one to each login: grant app_cdc_writer to "the app's login".
do $$
declare
    -- The tables that the mappers write.
    mapped constant text[] := array[
        'accounts', 'completed_scenarios', 'user_profiles', 'user_badges', 'game_sessions', 'player_scenario_scores',
        'pending_signups'
    ];
    database constant text := current_database();
    owner constant text := database || '_cdc_owner';
    writer constant text := database || '_cdc_writer';
    reader constant text := database || '_cdc_reader';
    role text;
    name text;
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

    for name in select tablename from pg_tables where schemaname = 'cdc' loop
        execute format('alter table cdc.%I owner to %I', name, owner);
        execute format('grant select, insert, update, delete on cdc.%I to %I', name, writer);
    end loop;
    for name in
        select p.oid::regprocedure::text from pg_proc p where p.pronamespace = 'cdc'::regnamespace
    loop
        execute format('alter function %s owner to %I', name, owner);
        execute format('grant execute on function %s to %I', name, writer);
    end loop;
    foreach name in array mapped loop
        if to_regclass(format('public.%I', name)) is not null then
            execute format('grant select, insert, update, delete on public.%I to %I', name, writer);
            execute format('grant select on public.%I to %I', name, reader);
        end if;
    end loop;

    -- Rights on what later migrations create.
    execute format(
        'alter default privileges for role %I in schema cdc grant select, insert, update, delete on tables to %I',
        owner, writer);
    execute format(
        'alter default privileges for role %I in schema cdc grant execute on functions to %I', owner, writer);
    execute format(
        'alter default privileges for role %I in schema public grant select, insert, update, delete on tables to %I',
        owner, writer);
    execute format(
        'alter default privileges for role %I in schema public grant select on tables to %I', owner, reader);

    -- Only the owner may change the history of migrations, and the phase. Readers get no identities, which cdc keeps after a delete.
    if to_regclass('cdc.migration') is not null then
        execute format('revoke insert, update, delete on cdc.migration from %I', writer);
        execute format('grant select on cdc.migration to %I', reader);
    end if;
    if to_regclass('cdc.phase') is not null then
        execute format('revoke insert, update, delete on cdc.phase, cdc.phase_change from %I', writer);
        execute format('grant select on cdc.phase, cdc.phase_change to %I', reader);
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
end
$$;

-- Indexes for the look-ups of the application, in the tables that our migrations created: these have keys of type text.
-- A table that the application created is left alone; readiness names the look-ups that it does not serve.
do $$
declare
    wanted record;
begin
    for wanted in
        select * from (values
            ('public.accounts', 'ix_accounts_lower_email', '(lower(email))'),
            ('public.user_profiles', 'ix_user_profiles_name', '(name)'),
            ('public.user_badges', 'ix_user_badges_game_session_id', '(game_session_id)'),
            ('public.user_badges', 'ix_user_badges_scenario_id', '(scenario_id)'),
            ('public.game_sessions', 'ix_game_sessions_player_names', 'using gin (player_names)'),
            ('public.pending_signups', 'ix_pending_signups_email', '(email)'),
            ('public.pending_signups', 'ix_pending_signups_expires_at', '(expires_at)')
        ) as indexes (table_name, index_name, definition)
        where exists (
            select from pg_attribute a
            where a.attrelid = to_regclass(table_name) and a.attname = 'id' and a.atttypid = 'text'::regtype
        )
    loop
        execute format('create index if not exists %I on %s %s', wanted.index_name, wanted.table_name, wanted.definition);
    end loop;
end
$$;

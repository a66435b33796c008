-- Indexes for the look-ups of the application. Tables of another owner are left alone: readiness names what they lack.
do $$
declare
    wanted record;
begin
    for wanted in
        select * from (values
            ('public.accounts', 'ix_accounts_lower_email', '(lower(email))'),
            ('public.accounts', 'ix_accounts_external_user_id', '(external_user_id)'),
            ('public.user_profiles', 'ix_user_profiles_account_id', '(account_id)'),
            ('public.user_profiles', 'ix_user_profiles_name', '(name)'),
            ('public.user_badges', 'ix_user_badges_game_session_id', '(game_session_id)'),
            ('public.user_badges', 'ix_user_badges_scenario_id', '(scenario_id)'),
            ('public.game_sessions', 'ix_game_sessions_player_names', 'using gin (player_names)'),
            ('public.pending_signups', 'ix_pending_signups_email', '(email)'),
            ('public.pending_signups', 'ix_pending_signups_expires_at', '(expires_at)')
        ) as indexes (table_name, index_name, definition)
    loop
        if pg_has_role((select relowner from pg_class where oid = to_regclass(wanted.table_name)), 'usage') then
            execute format(
                'create index if not exists %I on %s %s', wanted.index_name, wanted.table_name, wanted.definition
            );
        end if;
    end loop;
end
$$;

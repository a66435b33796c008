do $$
begin
    if to_regclass('public.game_sessions') is null then
        create table public.game_sessions (
            id text primary key,
            scenario_id text not null,
            account_id text not null,
            profile_id text,
            status text default 'NotStarted',
            current_scene_id text,
            player_names jsonb default '[]',
            choice_history jsonb default '[]',
            echo_history jsonb default '[]',
            compass_values jsonb default '{}',
            player_compass_progress_totals jsonb default '[]',
            achievements jsonb default '[]',
            character_assignments jsonb default '[]',
            start_time timestamptz,
            end_time timestamptz,
            elapsed_time interval,
            is_paused boolean,
            paused_at timestamptz,
            scene_count integer,
            target_age_group text,
            selected_character_id text
        );
        create index ix_game_sessions_account_id on public.game_sessions (account_id);
        create index ix_game_sessions_profile_id on public.game_sessions (profile_id);
        create index ix_game_sessions_scenario_id on public.game_sessions (scenario_id);
        create index ix_game_sessions_status on public.game_sessions (status);
        create index ix_game_sessions_start_time on public.game_sessions (start_time);
        create index ix_game_sessions_account_status on public.game_sessions (account_id, status);
    end if;
    if to_regclass('public.player_scenario_scores') is null then
        create table public.player_scenario_scores (
            id text primary key,
            profile_id text not null,
            scenario_id text not null,
            game_session_id text,
            axis_scores jsonb default '{}',
            created_at timestamptz
        );
        create index ix_player_scenario_scores_profile_id on public.player_scenario_scores (profile_id);
        create index ix_player_scenario_scores_scenario_id on public.player_scenario_scores (scenario_id);
        create index ix_player_scenario_scores_game_session_id on public.player_scenario_scores (game_session_id);
    end if;
    if to_regclass('public.pending_signups') is null then
        create table public.pending_signups (
            id text primary key,
            email text not null,
            display_name text,
            created_at timestamptz,
            expires_at timestamptz,
            is_used boolean,
            is_signin boolean,
            failed_attempts integer
        );
    end if;
end
$$;

-- Rules for PostgreSQL as the primary store; Cosmos has no such rules.
--
-- python -m cdc cutover run adds them one by one in the pause of writing, when every document has arrived. Before that,
-- these rules would park a session that arrives before its account, or an e-mail that two accounts have, and a deleted
-- account would take its sessions along. A mapper declares each rule under the same name.

-- The names of the indexes are the application's: if it has already created them, they stay.
-- rule: ix_accounts_email
create unique index ix_accounts_email on public.accounts (email);

-- rule: uix_player_scenario_scores_profile_scenario
create unique index uix_player_scenario_scores_profile_scenario
    on public.player_scenario_scores (profile_id, scenario_id);

-- Children of a document.
-- rule: fk_completed_scenarios_accounts
alter table public.completed_scenarios
    add constraint fk_completed_scenarios_accounts foreign key (account_id)
    references public.accounts (id) on delete cascade on update cascade;

-- rule: fk_user_badges_user_profiles
alter table public.user_badges
    add constraint fk_user_badges_user_profiles foreign key (user_profile_id)
    references public.user_profiles (id) on delete cascade on update cascade;

-- Documents of different containers. There is no rule for profiles: sessions and scores outlive them.
-- rule: fk_game_sessions_accounts
alter table public.game_sessions
    add constraint fk_game_sessions_accounts foreign key (account_id)
    references public.accounts (id) on delete cascade on update cascade;

-- rule: fk_player_scenario_scores_game_sessions
alter table public.player_scenario_scores
    add constraint fk_player_scenario_scores_game_sessions foreign key (game_session_id)
    references public.game_sessions (id) on delete set null on update cascade;

-- Rules for PostgreSQL as the primary store; Cosmos has no such rules.
--
-- Run this file once, as the owner of the tables, in phase postgres_only, when this app no longer writes:
--     psql --set ON_ERROR_STOP=1 --file sql/cutover/rules.sql "$POSTGRES_CONNECTION"
-- Before that, these rules would park a session that arrives before its account, or an e-mail that two accounts have.
--
-- The file is one transaction. If the data breaks a rule, nothing is changed and the error names the rule: correct the
-- data in PostgreSQL and run the file again.
begin;

-- The names are the application's: if it has already created these indexes, they stay.
create unique index if not exists ix_accounts_email on public.accounts (email);
create unique index if not exists uix_player_scenario_scores_profile_scenario
    on public.player_scenario_scores (profile_id, scenario_id);

-- Children of a document.
alter table public.completed_scenarios
    add constraint fk_completed_scenarios_accounts foreign key (account_id)
    references public.accounts (id) on delete cascade on update cascade;
alter table public.user_badges
    add constraint fk_user_badges_user_profiles foreign key (user_profile_id)
    references public.user_profiles (id) on delete cascade on update cascade;

-- Documents of different containers. There is no rule for profiles: sessions and scores outlive them.
alter table public.game_sessions
    add constraint fk_game_sessions_accounts foreign key (account_id)
    references public.accounts (id) on delete cascade on update cascade;
alter table public.player_scenario_scores
    add constraint fk_player_scenario_scores_game_sessions foreign key (game_session_id)
    references public.game_sessions (id) on delete set null on update cascade;

commit;

-- The rules that PostgreSQL keeps once it is the primary store, and that Cosmos never kept.
--
-- Run it once, as the owner of the tables, when phase postgres_only is recorded and this app no longer writes:
--     psql --set ON_ERROR_STOP=1 --file sql/cutover/rules.sql "$POSTGRES_CONNECTION"
-- Earlier, a session that arrives before its account, or an e-mail that two accounts have, would be parked.
--
-- It is one transaction. When the data does not obey a rule nothing is changed, and the error names the rule:
-- mend the data in PostgreSQL and run the file again.
begin;

-- The application's own names: where it has made these indexes already, they stay.
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

-- Documents of different containers. A profile has no rule: sessions and scores outlive it.
alter table public.game_sessions
    add constraint fk_game_sessions_accounts foreign key (account_id)
    references public.accounts (id) on delete cascade on update cascade;
alter table public.player_scenario_scores
    add constraint fk_player_scenario_scores_game_sessions foreign key (game_session_id)
    references public.game_sessions (id) on delete set null on update cascade;

commit;

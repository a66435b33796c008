-- The columns of the application's own table. Where the application has made it already, that one is adopted as it is.
do $$
begin
    if to_regclass('public.accounts') is null then
        create table public.accounts (
            id text primary key,
            external_user_id text,
            email text not null,
            display_name text,
            role text default 'Guest',
            user_profile_ids jsonb default '[]',
            completed_scenario_ids jsonb default '[]',
            subscription jsonb default '{}',
            settings jsonb default '{}',
            created_at timestamptz default now(),
            last_login_at timestamptz
        );
        create index ix_accounts_external_user_id on public.accounts (external_user_id);
        create index ix_accounts_created_at on public.accounts (created_at);
    end if;
    if to_regclass('public.completed_scenarios') is null then
        create table public.completed_scenarios (
            account_id text not null,
            scenario_id text not null,
            primary key (account_id, scenario_id)
        );
        create index ix_completed_scenarios_scenario_id on public.completed_scenarios (scenario_id);
    end if;
end
$$;

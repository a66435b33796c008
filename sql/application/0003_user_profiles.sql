do $$
begin
    if to_regclass('public.user_profiles') is null then
        create table public.user_profiles (
            id text primary key,
            account_id text,
            name text not null,
            age_group text,
            date_of_birth date,
            is_guest boolean not null default false,
            is_npc boolean not null default false,
            pronouns text,
            bio text,
            avatar_media_id text,
            selected_avatar_media_id text,
            preferred_themes jsonb not null default '[]',
            has_completed_onboarding boolean not null default false,
            created_at timestamptz,
            updated_at timestamptz
        );
        create index ix_user_profiles_account_id on public.user_profiles (account_id);
    end if;
    if to_regclass('public.user_badges') is null then
        create table public.user_badges (
            user_profile_id text not null,
            id text not null,
            badge_configuration_id text not null,
            badge_id text,
            badge_name text,
            badge_message text,
            axis text,
            trigger_value double precision,
            threshold double precision,
            earned_at timestamptz,
            game_session_id text,
            scenario_id text,
            image_id text,
            primary key (user_profile_id, id)
        );
    end if;
end
$$;

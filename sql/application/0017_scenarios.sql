do $$
begin
    if to_regclass('public.scenarios') is null then
        create table public.scenarios (
            id text primary key,
            age_group text,
            archetypes text[],
            core_axes text[],
            created_at timestamptz,
            description text,
            difficulty integer,
            image text,
            is_active boolean,
            is_featured boolean,
            minimum_age integer,
            session_length integer,
            tags text[],
            title text not null,
            music_palette jsonb,
            story_protocol jsonb
        );
    end if;
    if to_regclass('public.scenario_characters') is null then
        create table public.scenario_characters (
            scenario_id text,
            id text,
            audio text,
            image text,
            name text,
            metadata_age integer,
            metadata_archetype text,
            metadata_backstory text,
            metadata_role text,
            metadata_species text,
            metadata_traits text[],
            primary key (scenario_id, id)
        );
    end if;
    if to_regclass('public.scenario_scenes') is null then
        create table public.scenario_scenes (
            scenario_id text,
            id text,
            active_character text,
            description text,
            difficulty integer,
            next_scene_id text,
            title text,
            type integer,
            branches jsonb,
            echo_reveals jsonb,
            sound_effects jsonb,
            media_audio text,
            media_image text,
            media_video text,
            music_continuity text,
            music_ducking text,
            music_energy double precision,
            music_priority text,
            music_profile text,
            music_transition_hint text,
            primary key (scenario_id, id)
        );
    end if;
end
$$;

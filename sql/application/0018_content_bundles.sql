do $$
begin
    if to_regclass('public.content_bundles') is null then
        create table public.content_bundles (
            id text primary key,
            age_group text,
            description text,
            image_id text,
            is_free boolean,
            prices jsonb,
            scenario_ids text[],
            title text not null,
            story_protocol jsonb
        );
    end if;
end
$$;

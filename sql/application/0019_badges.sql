do $$
begin
    if to_regclass('public.badges') is null then
        create table public.badges (
            id text primary key,
            age_group_id text,
            compass_axis_id text,
            created_at timestamptz,
            description text,
            image_id text,
            required_score double precision,
            tier text,
            tier_order integer,
            title text not null,
            updated_at timestamptz
        );
    end if;
end
$$;

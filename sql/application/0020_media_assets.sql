do $$
begin
    if to_regclass('public.media_assets') is null then
        create table public.media_assets (
            id text primary key,
            media_type text,
            hash text,
            created_at timestamptz,
            description text,
            file_size_bytes bigint,
            media_id text not null,
            mime_type text,
            tags text[],
            thumbnail_url text,
            updated_at timestamptz,
            url text,
            version text,
            metadata_additional_properties jsonb,
            metadata_bitrate integer,
            metadata_duration interval,
            metadata_format text,
            metadata_height integer,
            metadata_width integer
        );
    end if;
end
$$;

do $$
begin
    if to_regclass('public.data_deletion_requests') is null then
        create table public.data_deletion_requests (
            id text primary key,
            child_profile_id text not null,
            completed_at timestamptz,
            confirmation_email_sent boolean,
            created_at timestamptz,
            deletion_scope text[],
            next_retry_at timestamptz,
            requested_at timestamptz,
            requested_by integer,
            retry_count integer,
            scheduled_deletion_at timestamptz,
            status integer,
            updated_at timestamptz,
            audit_trail jsonb
        );
    end if;
end
$$;

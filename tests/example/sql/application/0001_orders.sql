do $$
begin
    if to_regclass('public.orders') is null then
        create table public.orders (
            id text primary key,
            customer_id text not null,
            total numeric(12, 2) not null,
            placed_at bigint
        );
        create index ix_orders_customer_id on public.orders (customer_id);
    end if;
end
$$;

create type public."OrderStatus" as enum ('open', 'paid');

create table public.orders (
    id text primary key,
    customer_id text not null,
    total numeric(12, 2) not null,
    status public."OrderStatus",
    labels text[],
    payment jsonb,
    placed_at timestamptz
);
create index ix_orders_customer_id on public.orders (customer_id);

create table public.order_lines (
    order_id text,
    line_id uuid,
    price numeric(12, 2),
    primary key (order_id, line_id)
);

create table public.refunds (
    id text primary key,
    order_id text,
    amount numeric(12, 2) not null,
    paid_at timestamptz
);

create table public.visits (
    tenant_id text,
    id text,
    seconds numeric(20, 0),
    primary key (tenant_id, id)
);

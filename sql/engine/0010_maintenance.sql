-- The parts of the timer `maintain` that all instances together do once in a while.
create table cdc.maintenance (
    part text primary key,
    -- When it was done last; before that, when it was first seen.
    done_at timestamptz not null default now(),
    -- Until then another instance does it; a part that fails is due again when its claim expires.
    claimed_until timestamptz
);
comment on table cdc.maintenance is 'When each part of the timer was done last.';

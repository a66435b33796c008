-- The recorded phase, its history, and the paused containers. Every writing transaction passes this gate first.
create table cdc.phase (
    one boolean primary key default true check (one),
    phase smallint not null check (phase between 0 and 3),
    since timestamptz not null default now()
);
comment on table cdc.phase is 'The phase that holds for all instances, in one row. Without it nothing is written.';

create table cdc.phase_change (
    number bigint generated always as identity primary key,
    from_phase smallint,
    to_phase smallint not null,
    at timestamptz not null default now(),
    by text not null default session_user,
    checks jsonb not null,
    override text
);
comment on table cdc.phase_change is 'The history of the phase: who changed it, how the checks stood, and why somebody overrode them.';

create table cdc.pause (
    container text primary key,
    reason text not null,
    since timestamptz not null default now(),
    by text not null default session_user,
    source text not null check (source in ('operator', 'breaker')),
    positions jsonb not null
);
comment on table cdc.pause is 'The paused containers: nothing of them is written. Positions are those of their leases at the time.';

create function cdc.gate_key() returns bigint immutable language sql as 'select 7307498::bigint';
comment on function cdc.gate_key is 'The advisory lock of the gate: writers share it, who changes phase or pauses holds it alone.';

-- In a volatile function each statement has a snapshot of its own. In one statement, the read would have the snapshot
-- from before the wait for the lock, and would not see what was changed meanwhile.
create function cdc.enter_gate(of_container text) returns void volatile language plpgsql as $$
declare
    recorded smallint;
    why text;
begin
    perform pg_advisory_xact_lock_shared(cdc.gate_key());
    select f.phase, p.reason into recorded, why from cdc.phase f left join cdc.pause p on p.container = of_container;
    if recorded is null then
        raise exception using errcode = 'MC000', message = 'no phase is recorded';
    elsif recorded = 3 then
        raise exception using errcode = 'MC003', message = 'phase 3 is recorded';
    elsif why is not null then
        raise exception using errcode = 'MC010', table = of_container, message = why;
    end if;
end
$$;
comment on function cdc.enter_gate is 'Refuses a writing transaction in phase 3, without a recorded phase, or of a paused container.';

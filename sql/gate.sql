-- The recorded phase, its history, and the gate that every writing transaction enters (cdc/postgres/gate.py).

-- name: enter_gate
-- Refuses the transaction, or keeps phase and pauses as they are until it ends.
select cdc.enter_gate(%(container)s);

-- name: close_gate
-- Waits for all writing transactions and keeps new ones out until this transaction ends.
select pg_advisory_xact_lock(cdc.gate_key());

-- name: read_phase
-- The recorded phase.
select phase, since from cdc.phase;

-- name: may_record_phase
-- Whether this login may record a phase: only the owner may.
select has_table_privilege('cdc.phase', 'update');

-- name: write_phase
-- Records a phase.
insert into cdc.phase (phase) values (%(phase)s)
on conflict (one) do update set phase = excluded.phase, since = now();

-- name: add_phase_change
-- Adds a change of the phase to the history.
insert into cdc.phase_change (from_phase, to_phase, checks, override)
values (%(before)s, %(phase)s, %(checks)s, %(override)s);

-- name: read_phase_changes
-- The newest changes of the phase.
select from_phase, to_phase, at, by, checks, override from cdc.phase_change order by number desc limit %(limit)s;

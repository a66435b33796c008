-- A document that Cosmos does not give, although it answers for others: neither equal nor different.
alter table cdc.drift drop constraint drift_state_check;
alter table cdc.drift add constraint drift_state_check
    check (state in ('suspected', 'drift', 'repaired', 'left', 'dropped', 'unreadable'));

-- How far the tombstones of a container are pruned: the greatest ts of those that are gone. A document that the ledger does
-- not hold, and that is not newer than that, may have been deleted: a delivery of it is undecided.
create table cdc.pruned (
    container text primary key,
    ts bigint not null
);
comment on table cdc.pruned is 'The newest tombstone of each container that was pruned.';

-- How the leases of a container fail to cover its feed exactly once, since when, and when somebody looked last.
alter table cdc.container
    add column lease_problem text,
    add column lease_problem_since timestamptz,
    add column leases_seen_at timestamptz;

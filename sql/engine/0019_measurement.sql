-- What the timer `maintain` measures now and then for the readiness for a phase, because it is costly.
create table cdc.measurement (
    name text not null,
    container text not null,
    passed boolean not null,
    actual text not null,
    measured_at timestamptz not null default now(),
    primary key (name, container)
);
comment on table cdc.measurement is 'The newest result of each costly check of readiness.';

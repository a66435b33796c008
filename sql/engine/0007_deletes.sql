-- What the change feed of a container is known to have left out.
alter table cdc.container
    -- The mode in which the feed was read last, and when that became another one.
    add column feed_mode text check (feed_mode in ('latest_version', 'all_versions_and_deletes')),
    add column mode_changed_at timestamptz,
    -- Versions that were never delivered, as far as later ones tell.
    add column gaps bigint not null default 0,
    -- The last delete that did not say of which document: a reconcile that began before it is not complete.
    add column nameless_delete_at timestamptz;

-- Reconcile reads these documents again, and removes them from here when it has.
create table cdc.suspect (
    key bytea primary key,
    container text not null,
    noticed_at timestamptz not null default now()
);
create index suspect_container on cdc.suspect (container);
comment on table cdc.suspect is 'Documents before whose last version the change feed has a gap; cdc.document says who they are.';

create index document_tombstones on cdc.document (container, applied_at) where state = 'deleted';

-- A document of a type that no mapper takes. Before this migration such a document was written as applied, without a
-- row key, like one that is deleted softly: a backfill with reapply, or a reconcile in mode deep, tells them apart.
alter table cdc.document
    drop constraint document_state_check,
    add constraint document_state_check check (state in ('applied', 'parked', 'deleted', 'unmapped')),
    add column unmapped_type text,
    add constraint document_unmapped_type_check check ((state = 'unmapped') = (unmapped_type is not null));
comment on column cdc.document.unmapped_type is 'The type of an unmapped document: a name in cdc.unmapped_type, or other.';
create index document_unmapped on cdc.document (container, unmapped_type) where state = 'unmapped';

create table cdc.unmapped_type (
    container text not null,
    type text not null,
    first_seen_at timestamptz not null default now(),
    primary key (container, type)
);
comment on table cdc.unmapped_type is 'The types that are shown by name: the first of each container. All others are shown as other.';

alter table cdc.backfill_range add column unmapped bigint not null default 0;

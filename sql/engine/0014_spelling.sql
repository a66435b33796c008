-- Properties in another spelling are counted as well.
alter table cdc.observation
    drop constraint observation_kind_check,
    add constraint observation_kind_check check (kind in ('unknown', 'ambiguous', 'spelling'));
comment on table cdc.observation is 'Properties that no mapper knows or that have another spelling, and values that were read by a rule of ours, counted by path.';

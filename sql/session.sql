-- Sessions (cdc/postgres/session.py).

-- name: set_session
-- Sets what texts, bytes and waits depend on, and returns what cannot be set: the database's encoding, whether triggers
-- run, and the first schema in which names are looked up. Commits are durable before they are acknowledged.
select current_setting('server_encoding'), current_setting('session_replication_role'),
    (
        select p.schema from unnest(current_schemas(true)) with ordinality as p (schema, place)
        where not starts_with(p.schema, 'pg_temp') order by p.place limit 1
    ),
    count(set_config(s.name, s.value, %(local)s))
from (
    select * from unnest(%(names)s::text[], %(values)s::text[]) as s (name, value)
    union all
    select 'synchronous_commit', 'on' where current_setting('synchronous_commit') in ('off', 'local')
) as s;

-- name: read_writability
-- Whether the server is a replica, and whether the session may write.
select pg_is_in_recovery(), current_setting('transaction_read_only')::boolean;

-- name: read_log_verbosity
-- How much of a failed statement goes into the server's own log.
select current_setting('log_error_verbosity');

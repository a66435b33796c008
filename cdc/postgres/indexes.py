"""Ask the planner whether an index can serve a query."""

from collections.abc import Iterator
from typing import Any

from psycopg.sql import SQL, Identifier

from cdc.core.application import Lookup
from cdc.postgres.database import Connection


def is_served(connection: Connection, lookup: Lookup) -> bool:
    """Return whether indexes answer the look-up's condition; call it inside a transaction.

    Without sequential scans the planner takes an index wherever one fits, however small the table is.
    """
    connection.execute("set local enable_seqscan = off")
    schema, name = str(lookup.table).split(".")
    query = SQL("explain (format json) select * from {} where {}")
    ((plans,),) = connection.execute(query.format(Identifier(schema, name), SQL(lookup.condition)))
    scans = list(_scans(plans[0]["Plan"]))
    return bool(scans) and all(_begins(connection, schema, *scan) for scan in scans)


def _scans(plan: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Return the index and the condition of each scan; a scan of a whole index has no condition."""
    if "Index Cond" in plan:
        yield plan["Index Name"], plan["Index Cond"]
    for part in plan.get("Plans", ()):
        yield from _scans(part)


def _begins(connection: Connection, schema: str, index: str, condition: str) -> bool:
    """Return whether the index begins with a part of the condition; since PostgreSQL 18 a scan may skip to others."""
    query = "select pg_get_indexdef(to_regclass(format('%%I.%%I', %s::text, %s::text)), 1, true)"
    ((first,),) = connection.execute(query, [schema, index])
    return first in condition

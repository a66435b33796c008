"""Find the rows that break a rule of the cut-over; only SELECT."""

from psycopg.sql import SQL, Composable, Composed, Identifier
from sqlalchemy import Table

from cdc.core.application import Rule, UniqueRule
from cdc.core.mapping import Values
from cdc.postgres.database import Connection
from cdc.postgres.rows import key_names


def count_breaches(connection: Connection, rule: Rule) -> int:
    """Count the rows that break a rule."""
    ((count,),) = connection.execute(SQL("select count(*) from {} t where {}").format(_name(rule.table), _broken(rule)))
    return int(count)


def find_breaches(connection: Connection, rule: Rule, width: int, limit: int) -> list[Values]:
    """Return the root keys, of `width` columns, of some documents whose rows break a rule."""
    key = SQL(", ").join(Identifier("t", name) for name in key_names(rule.table)[:width])
    query = SQL("select distinct {key} from {} t where {} order by {key} limit {}").format(
        _name(rule.table), _broken(rule), limit, key=key
    )
    return list(connection.execute(query))


def _broken(rule: Rule) -> Composed:
    if isinstance(rule, UniqueRule):
        columns = SQL(", ").join(Identifier(name) for name in rule.columns)
        ours = SQL(", ").join(Identifier("t", name) for name in rule.columns)
        return SQL("({}) in (select {columns} from {} group by {columns} having count(*) > 1)").format(
            ours, _name(rule.table), columns=columns
        )
    (parent_key,) = (column.name for column in rule.parent.primary_key.columns)
    child = Identifier("t", rule.column)
    return SQL("{child} is not null and not exists (select from {} p where {} = {child})").format(
        _name(rule.parent), Identifier("p", parent_key), child=child
    )


def _name(table: Table) -> Composable:
    return Identifier(*str(table).split("."))

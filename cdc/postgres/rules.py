"""The rules of sql/cutover: the catalogue alone says whether one is in force."""

import re
from collections.abc import Iterable
from functools import cache

from psycopg import sql

from cdc.core.application import ParentRule, Rule, UniqueRule
from cdc.core.errors import FatalError
from cdc.postgres.database import Connection, Database
from cdc.postgres.rows import quoted
from cdc.postgres.statements import SQL, statement

_NAME = re.compile(r"^-- rule: (\w+)$", re.MULTILINE)


@cache
def read_statements() -> dict[str, str]:
    """Return the statements that add the rules, by name."""
    text = "".join(path.read_text(encoding="utf-8") for path in sorted((SQL / "cutover").glob("*.sql")))
    _, *parts = _NAME.split(text)
    return {name: text.strip() for name, text in zip(parts[::2], parts[1::2], strict=True)}


def is_in_force(connection: Connection, rule: Rule) -> bool:
    """Return whether the catalogue shows a rule as it is declared; raise FatalError if it shows another one.

    A name alone proves nothing: an index may be invalid or on other columns, a foreign key may not be validated.
    """
    parameters = {"name": rule.name, "table": quoted(rule.table)}
    if isinstance(rule, UniqueRule):
        row = connection.execute(statement("read_unique_rule"), parameters).fetchone()
        columns = sorted(rule.columns)
    else:
        parameters["parent"] = quoted(rule.parent)
        row = connection.execute(statement("read_parent_rule"), parameters).fetchone()
        columns = [rule.column]
    if row is None:
        return False
    if row != (True, True, columns):
        raise FatalError(f"{rule.table} has {_kind(rule)} {rule.name}, but {_tell(rule, *row)}: drop or rename it.")
    return True


def _kind(rule: Rule) -> str:
    return "a relation" if isinstance(rule, UniqueRule) else "a constraint"


def _tell(rule: Rule, is_here: bool | None, enforces: bool | None, columns: list[str]) -> str:
    if isinstance(rule, UniqueRule):
        what, fault = "unique index of this table", "not unique, not valid or partial"
    else:
        what, fault = f"foreign key to the primary key of {rule.parent}", "not validated, or switched off"
    if not is_here:
        return f"it is no {what}"
    if not enforces:
        return f"it is {fault}"
    return f"it is on ({', '.join(columns)})"


def add(connection: Connection, rule: Rule) -> None:
    """Add a rule; the transaction holds the locks of its tables until it ends."""
    connection.execute(read_statements()[rule.name].encode())


def drop(connection: Connection, rule: Rule) -> None:
    """Drop a rule."""
    schema, table = str(rule.table).split(".")
    if isinstance(rule, ParentRule):
        query = sql.SQL("alter table {} drop constraint if exists {}").format(
            sql.Identifier(schema, table), sql.Identifier(rule.name)
        )
    else:
        query = sql.SQL("drop index if exists {}").format(sql.Identifier(schema, rule.name))
    connection.execute(query)


def check_rights(database: Database, rules: Iterable[Rule]) -> None:
    """Raise FatalError unless the current role may add and drop these rules, and each has a statement."""
    rules = list(rules)
    without = [rule.name for rule in rules if rule.name not in read_statements()]
    if without:
        raise FatalError(f"sql/cutover has no statement for the rules {', '.join(without)}: add one for each.")
    parents = [rule.parent for rule in rules if isinstance(rule, ParentRule)]
    tables = {quoted(table): str(table) for table in (*(rule.table for rule in rules), *parents)}
    with database.connection() as connection:
        unowned = connection.execute(statement("find_unowned"), {"tables": sorted(tables)}).fetchall()
        closed = connection.execute(statement("find_closed_schemas"), {"tables": sorted(tables)}).fetchall()
    if unowned:
        names = ", ".join(f"{tables[name]} (of {owner or 'nobody: it is missing'})" for name, owner in unowned)
        raise FatalError(
            f"The login of POSTGRES_CONNECTION may not add rules to {names}: make it a member of these roles, or run "
            "this command as a login that is."
        )
    if closed:
        names = ", ".join(name for (name,) in closed)
        raise FatalError(
            f"The login of POSTGRES_CONNECTION may not create indexes in the schema {names}: grant it create on this "
            "schema, or run this command as a login that has it."
        )

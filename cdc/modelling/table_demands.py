"""Say what a table that exists demands of the rows that are written: in sentences, each with what to do."""

from collections.abc import Iterator

from cdc.modelling.naming import quote
from cdc.modelling.table_catalogue import ExistingTable, Reference

_ON_DELETE = {
    "c": "a document that is deleted takes these rows with it",
    "n": "a document that is deleted sets these rows to null",
    "d": "a document that is deleted sets these rows to their default",
}
_REFUSED = "a document whose row they refer to cannot be deleted, and is parked"
_LOST = {
    "c": "the row is deleted, too, although its document is still there",
    "n": "{columns} becomes null, although the document still has it",
    "d": "{columns} becomes its default, although the document still has another value",
}
_SECOND = "that Cosmos DB does not enforce: of two documents that break it, the second is parked"
_LATER = "Until the cut-over it is safer without: {drop} and sql/cutover/rules.sql adds it again."
_RULES = {
    "unique": f"is a unique rule {_SECOND}. {_LATER}",
    "index": f"is a unique rule {_SECOND}. {_LATER}",
    "exclusion": f"is a rule {_SECOND}. {_LATER}",
    "check": f"is a check: a document whose row breaks it is parked. {_LATER}",
    "trigger": "is a trigger: it runs at each row that is written. It may change other values; a document whose row it "
    "drops, or whose key it changes, is parked. If only the application's own writes need it, turn it off until the "
    "cut-over: {drop}",
    "rule": "is a rewrite rule: a document whose row it keeps from being deleted is parked. Turn it off until the "
    "cut-over: {drop}",
}
_DROPS = {
    "index": "drop index {schema}.{name};",
    "trigger": "alter table {table} disable trigger {name};",
    "rule": "alter table {table} disable rule {name};",
}
_DROP = "alter table {table} drop constraint {name};"


def list_demands(table: ExistingTable) -> Iterator[str]:
    """Return what a table demands of its rows, and what its role may not do."""
    yield from (f"{refusal}." for refusal in table.refusals)
    for name in table.key:
        if table.column(name).base == "character":
            yield (
                f"{table.quoted}: {name} in the primary key is padded with spaces: of two documents whose "
                "values differ in spaces at their end alone, one overwrites the other's row: alter table "
                f"{table.quoted} alter {quote(name)} type text;"
            )
    for reference in table.references:
        yield f"{table.quoted}: {_describe_reference(table, reference)}"
    for reference in table.others:
        yield describe_other(table, reference, _tell_key(table, reference))
    for rule in table.rules:
        names = {"table": table.quoted, "schema": quote(table.schema), "name": quote(rule.name)}
        drop = _DROPS.get(rule.kind, _DROP).format(**names)
        yield f"{table.quoted}: {rule.name} {_RULES[rule.kind].format(drop=drop)}"
    if table.missing_rights:
        yield _describe_rights(table)
    if table.is_hidden:
        yield (
            f"{table.quoted} has row security, which applies to {table.role}: disable it there, or give BYPASSRLS to "
            "that login."
        )


def _describe_reference(table: ExistingTable, reference: Reference) -> str:
    columns = ", ".join(reference.columns)
    late = " That it is deferrable does not help: each container is written by itself." if reference.deferrable else ""
    lost = _LOST.get(reference.on_delete, "").format(columns=columns)
    lost = f" When the row that it refers to is deleted, {lost}." if lost else ""
    better = "safer" if lost else "quicker"
    return (
        f"{columns} refers to {reference.other}. A document that arrives before the one that it refers to is parked, "
        f"and written when that one is there.{late}{lost} Until the cut-over it is {better} without: alter table "
        f"{table.quoted} drop constraint {quote(reference.name)}; and sql/cutover/rules.sql adds it again."
    )


def describe_other(table: ExistingTable, reference: Reference, what: str) -> str:
    """Say what a table that refers to another one, and is not written with it, means for documents; and what to do."""
    effect = _ON_DELETE.get(reference.on_delete, _REFUSED)
    return f"{reference.table} refers to {table.quoted}, and is not written with it: {effect}. {what}"


def _tell_key(table: ExistingTable, reference: Reference) -> str:
    columns, above = ", ".join(reference.columns), ", ".join(table.inherited)
    if table.has_own_key:
        return (
            "No column of it says which document its rows are of. If they are the items of an array, add a column of "
            f"jsonb to {table.quoted} that is called like the array, or let both primary keys begin with ({above})."
        )
    return (
        f"If its rows are the items of an array, its primary key must begin with ({columns}) and go on with what tells "
        "the items apart."
    )


def _describe_rights(table: ExistingTable) -> str:
    grants = " ".join(f"grant {right} to {quote(table.role)};" for right in table.missing_rights)
    return (
        f"{table.quoted}: the role {table.role} of POSTGRES_CONNECTION may not write it. Run what "
        f"`python -m cdc roles` prints, or: {grants}"
    )

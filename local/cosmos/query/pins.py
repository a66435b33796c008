"""Find out whether a query's condition names one logical partition."""

from collections.abc import Iterator, Mapping
from typing import Any

from local.cosmos.partition_key import Definition, PartitionKey
from local.cosmos.query.tree import Binary, Constant, Expression, Logic, Member, Parameter, Query, Source

Path = tuple[str, ...]


def pinned(query: Query, parameters: Mapping[str, Any], definition: Definition) -> PartitionKey | None:
    """Read the partition key that every row's document must have, when the condition says it."""
    found = {path[1:]: value for path, value in _equalities(query.where, parameters) if path[0] == query.alias}
    if not all(path in found for path in definition.paths):
        return None
    document: dict[str, Any] = {}
    for path in definition.paths:
        owner = document
        for name in path[:-1]:
            owner = owner.setdefault(name, {})
        owner[path[-1]] = found[path]
    return definition.from_document(document)


def _equalities(condition: Expression | None, parameters: Mapping[str, Any]) -> Iterator[tuple[Path, Any]]:
    match condition:
        case Logic("AND", operands):
            for operand in operands:
                yield from _equalities(operand, parameters)
        case Binary("=", left, Constant(value)) | Binary("=", Constant(value), left):
            yield from ((path, value) for path in _path(left))
        case Binary("=", left, Parameter(token)) | Binary("=", Parameter(token), left):
            yield from ((path, parameters[token.text]) for path in _path(left))
        case _:
            return


def _path(expression: Expression) -> list[Path]:
    names: list[str] = []
    while isinstance(expression, Member):
        if not isinstance(expression.key, Constant) or not isinstance(expression.key.value, str):
            return []
        names.insert(0, expression.key.value)
        expression = expression.owner
    return [(expression.name, *names)] if isinstance(expression, Source) and names else []

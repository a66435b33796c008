"""Refuse names that are probably errors of typing, before anything is written."""

from collections.abc import Sequence
from typing import Any

from cdc.core.conventions import fold
from cdc.core.errors import RequestError
from cdc.core.mapping import Mapper
from cdc.modelling.profile import Profile
from cdc.modelling.table_catalogue import ExistingTable


def check_container(container: str, mappers: Sequence[Mapper[Any]]) -> None:
    """Refuse a container whose files have the names of another's where capitals do not count."""
    others = {mapper.container for mapper in mappers}
    if container in others:
        return
    for other in sorted(others):
        if other.lower() == container.lower():
            raise RequestError(
                f"There are mappers of {other}, and {container} differs from it by capitals only: name it {other}."
            )


def check_partition_key(paths: Sequence[str], profile: Profile) -> None:
    """Refuse a path that no document has."""
    names = {name for type_ in profile.types for name in type_.root.fields}
    for path in paths:
        first = path.strip('/"').partition("/")[0]
        if first not in names:
            alike = [f"/{name}" for name in sorted(names) if fold(name) == fold(first)]
            what = f"name it {alike[0]}" if alike else "name it as the documents do, or leave --partition-key out"
            raise RequestError(f"No document that was profiled has the partition key {path}: {what}.")


def check_tables(tables: Sequence[ExistingTable], container: str, mappers: Sequence[Mapper[Any]]) -> None:
    """Refuse a table that the mappers of another container write, and one that was named twice."""
    owners = find_owners(container, mappers)
    seen = set()
    for table in (each for root in tables for each in root.walk()):
        name = (table.schema, table.name)
        if name in owners:
            raise RequestError(
                f"{table.quoted} is a table of the mappers of {owners[name]}: only one container can write it."
            )
        if name in seen:
            raise RequestError(f"{table.quoted} is named twice, or is also a table below another: name it once.")
        seen.add(name)


def find_owners(container: str, mappers: Sequence[Mapper[Any]]) -> dict[tuple[str, str], str]:
    """Return the tables that mappers of other containers write, by schema and name, with the container."""
    return {
        (table.schema or "public", table.name): mapper.container
        for mapper in mappers
        for table in mapper.tables
        if mapper.container != container
    }

"""Measure what is too costly for every request, and keep each result with its time."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cdc.core.application import Rule
from cdc.core.errors import CdcError
from cdc.core.mapping import Mapper
from cdc.operations.cutover import check_rules
from cdc.postgres.database import Database
from cdc.postgres.statements import statement


@dataclass(frozen=True, slots=True)
class Measurement:
    """The newest result of a costly check."""

    passed: bool
    actual: str
    measured_at: datetime
    age_seconds: float


@dataclass(frozen=True, slots=True)
class Measurements:
    """Measures, and keeps the results in PostgreSQL."""

    database: Database
    mappers: Iterable[Mapper[Any]]

    def measure(self) -> None:
        """Count the rows that break a rule; raise the first container's failure after the others."""
        failures = list[CdcError]()
        for mapper in self.mappers:
            try:
                self._measure(mapper)
            except CdcError as error:
                failures.append(error)
        if failures:
            raise failures[0]

    def read(self) -> dict[tuple[str, str], Measurement]:
        """Return the newest results by name and container."""
        with self.database.connection() as connection:
            rows = connection.execute(statement("read_measurements")).fetchall()
        return {(name, container): Measurement(*result) for name, container, *result in rows}

    def _measure(self, mapper: Mapper[Any]) -> None:
        for breach in list(check_rules(self.database, [mapper])):
            parameters = {
                "name": rule_check(breach.rule),
                "container": mapper.container,
                "passed": not breach.rows,
                "actual": f"rows that break it: {breach.rows}",
            }
            with self.database.connection() as connection:
                connection.execute(statement("keep_measurement"), parameters)


def rule_check(rule: Rule) -> str:
    """Return the name of the check of a rule."""
    return f"rule {rule.name}"

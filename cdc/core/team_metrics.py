"""Metrics under names that the application's team has already: the engine records them beside its own."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class TeamMetric:
    """A counter of changes by outcome, or the lag of a batch in milliseconds.

    `outcomes` are those of `cdc.changes`, and `failed` for an attempt of a whole batch. `tags` gets the container and,
    of what was parked or has failed, the kind of the problem or the class of the error.
    """

    meter: str
    name: str
    unit: str
    meaning: str
    tags: Callable[[str, str | None], Mapping[str, str]]
    measures: Literal["changes", "lag"] = "changes"
    outcomes: frozenset[str] = frozenset()

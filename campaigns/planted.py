"""Documents that a campaign plants: poison, and what breaks a rule of the tables for a while or for good."""

import json
import random
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar, Protocol

from local.sample.values import Document, Values

Write = tuple[str, Document]
Identity = tuple[str, str]

_OWN_STREAM = 0x706C616E74
_SHARE_OF_POISON = 0.01
_SHARE_OF_BREACHES = 0.004


@dataclass(frozen=True, slots=True)
class Case:
    """Documents to write in this order, with other changes in between, and the one that stays parked, if any.

    `first` is written and applied before anything goes wrong.
    """

    writes: tuple[Write, ...]
    first: tuple[Write, ...] = ()
    parked: Write | None = None


class Breach(Protocol):
    """Makes a case that breaks a rule of the tables, for good or for a while."""

    def __call__(self, *, lasting: bool) -> Case: ...


# A document that is good, and what must be there before it; what in it makes it poison.
Good = Callable[[], tuple[Write, tuple[Write, ...]]]
Spoil = Callable[[Document], Document]


class Planter(ABC):
    """Make the cases of a campaign; whatever is personal in them carries the marker."""

    # The rules of the campaign's tables, which the breaches break.
    rules: ClassVar[str]

    def __init__(self, seed: int, marker: str) -> None:
        # Not the seed of the sample: two streams that begin alike may make one id for two documents.
        self._values = Values(seed ^ _OWN_STREAM)
        self._dice = self._values.random
        self._marker = marker
        self._count = 0

    @property
    @abstractmethod
    def poisons(self) -> Sequence[tuple[Good, Spoil]]:
        """Return every kind of poison."""

    @property
    @abstractmethod
    def breaches(self) -> Sequence[Breach]:
        """Return every kind of breach."""

    @abstractmethod
    def make_hot(self) -> Write:
        """Return a document that nobody else refers to, for two writers to fight for."""

    @abstractmethod
    def adapt(self, container: str, document: Document) -> Write:
        """Let a new document of the sample carry the marker, and keep the rules of the campaign's tables."""

    @abstractmethod
    def restore(self, documents: Iterable[Write]) -> Iterator[Write]:
        """Correct those documents of the sample of which it would be chance whether others wait for them."""

    def cases(self, changes: int) -> list[Case]:
        """Return one poison document in a hundred changes, and breaches of every rule."""
        poisons, breaches = self.poisons, self.breaches
        count = max(len(poisons), int(changes * _SHARE_OF_POISON))
        times = max(2, int(changes * _SHARE_OF_BREACHES / len(breaches)))
        cases = [self._poison(*poisons[number % len(poisons)]) for number in range(count)]
        return cases + [breach(lasting=number % 3 == 0) for breach in breaches for number in range(times)]

    def _mark(self) -> str:
        self._count += 1
        return f"{self._marker}-{self._count}"

    def _long_text(self) -> str:
        """Return a text that no index can hold, also when it is compressed."""
        return "".join(self._dice.choices("abcdefghijklmnopqrstuvwxyz0123456789", k=20_000))

    def _poison(self, make: Good, spoil: Spoil) -> Case:
        (container, good), first = make()
        bad = container, good | spoil(good)
        match self._dice.randrange(4):
            case 0:
                return Case(((container, good), bad), first, parked=bad)
            case 1:
                return Case((bad, (container, good)), first)
            case _:
                return Case((bad,), first, parked=bad)


def identify(container: str, document: Document, partition_key: str) -> Identity:
    """Return what tells a document from all others; a partition key of several paths is a list."""
    values = [document.get(name, {}) for name in partition_key.removeprefix("/").split(",/")]
    return container, json.dumps([values if len(values) > 1 else values[0], document["id"]])


def mix(cases: list[Case], changes: int, dice: random.Random) -> dict[int, list[Write]]:
    """Give every write of every case a place among so many changes, in the order of its case."""
    places: dict[int, list[Write]] = {}
    for case in cases:
        for place, write in zip(sorted(dice.choices(range(changes), k=len(case.writes))), case.writes, strict=True):
            places.setdefault(place, []).append(write)
    return places

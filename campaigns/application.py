"""What a campaign must know of the application whose mappers the app has."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from campaigns.planted import Identity, Planter, Write, identify
from local.sample.values import Document


class Sample(Protocol):
    """Documents of an application, and what becomes of them; the same for the same seed."""

    documents: list[Write]

    def create(self, count: int) -> Iterator[Write]:
        """Yield so many new documents."""

    def change(self) -> Write:
        """Change one of the documents and return it whole."""

    def delete(self) -> Write:
        """Choose a document to delete and return it; it is never changed again."""


@dataclass(frozen=True, slots=True)
class Contested:
    """The documents that the app and another writer fight for: container, table by `id`, and how one changes."""

    container: str
    table: str
    change: Callable[[Document, int], None]


@dataclass(frozen=True, slots=True)
class Steady:
    """The partition key of a container that two hosts share, and how a document of it begins."""

    partition_key: str
    make: Callable[[str], Document]


@dataclass(frozen=True, slots=True)
class Damage:
    """What somebody with psql may do to the rows of two documents of a container.

    The statements get the rows' keys as `rows`, JSON arrays, and the documents' keys in the ledger as `keys`.
    """

    container: str
    statements: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Application:
    """One application: its containers and tables, its folder, its documents, and what may happen to these.

    `containers` are always replicated; `extra` are those of EXTRA_CONTAINERS. `type_property` names a document's type.
    """

    name: str
    partition_keys: Mapping[str, str]
    containers: tuple[str, ...]
    extra: tuple[str, ...]
    tables: Mapping[str, Sequence[str]]
    type_property: str
    make_app: Callable[[Path], Path]
    make_sample: Callable[[int, Sequence[str]], Sample]
    make_planter: Callable[[int, str], Planter]
    contested: Contested
    steady: Steady
    damages: tuple[Damage, ...]

    def identify(self, container: str, document: Document) -> Identity:
        """Return what tells a document from all others."""
        return identify(container, document, self.partition_keys[container])

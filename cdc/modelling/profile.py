"""The profile: what is in a container, by type and path, without one value.

Written as JSON; `python -m cdc init` reads it. `format` changes when an older reader would misread it.
"""

import re
from collections.abc import Iterator
from datetime import datetime
from enum import StrEnum
from typing import Literal

from pydantic import BaseModel, ConfigDict

from cdc.modelling.forms import Form
from cdc.modelling.nodes import Kind
from cdc.modelling.personal import Reason, Suspicion

# A type's name is content of a document: it is shown only if it looks like one.
TYPE_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.:+-]{0,99}(?:, [A-Za-z0-9_.]{1,99})?")


class Hazard(StrEnum):
    """What a mapper must be ready for at a path."""

    NUL = "nul"
    LONE_SURROGATE = "lone_surrogate"
    BEYOND_2_53 = "beyond_2_53"
    MANY_DIGITS = "many_digits"
    NOT_FINITE = "not_finite"
    MIXED_KINDS = "mixed_kinds"
    NULL_AND_ABSENT = "null_and_absent"
    EMPTY_TEXT = "empty_text"
    MIXED_TIMES = "mixed_times"
    SEVEN_DIGITS = "seven_digits"
    NO_ZONE = "no_zone"
    NEVER = "never"
    NUMBERS_AND_TEXTS = "numbers_as_text"
    JSON_TEXT = "json_text"
    NO_ITEM_KEY = "no_item_key"
    SPELLINGS = "spellings"


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Distinct(_Part):
    """How many different texts and numbers there are, and how many of them occur more than once."""

    values: int
    repeated: int
    exact: bool


class TextFacts(_Part):
    """Texts: how many of each form; digits after the point of an instant's seconds, with their counts, and of decimals.

    `never` counts .NET's first and last day, `last` the last one alone, and `loose` instants in a form that .NET
    does not write.
    """

    forms: dict[Form, int]
    shortest: int
    longest: int
    digits_after: int = 0
    fractions: dict[int, int] = {}
    never: int = 0
    last: int = 0
    loose: int = 0
    nul: int = 0
    surrogates: int = 0


class NumberFacts(_Part):
    """Numbers: whole ones by the smallest type that holds them, and the most digits before and after the point.

    `pointed` ones are written with a point, such as 5.0: Cosmos writes whole numbers without. `epochs` counts whole
    numbers that may be times between 2001 and 2100, in seconds or milliseconds since 1970; `no_times` are others among
    these, where a column of times was chosen. A double does not hold `rounded` ones. `amounts` counts those that may be
    money, with at most `two` or `four` digits after the point.
    """

    sizes: dict[Literal["int32", "int53", "int64", "larger"], int] = {}
    amounts: dict[Literal["two", "four"], int] = {}
    fractional: int = 0
    rounded: int = 0
    pointed: int = 0
    not_finite: int = 0
    digits_before: int = 0
    digits_after: int = 0
    epochs: dict[Literal["seconds", "milliseconds"], int] = {}
    no_times: int = 0


class ArrayFacts(_Part):
    """Arrays: `item_key` is a property of every item that differs within every array, but for the `repeating` ones."""

    empty: int
    items: int
    largest: int
    item_key: str | None = None
    repeating: int = 0


class Alike(_Part):
    """Two properties of a document whose names are alike: so many have both, with different values in some of them."""

    names: tuple[str, str]
    both: int
    different: int


class Facts(_Part):
    """What was seen at one path, and below it.

    `parents` is how many objects could have had it, `present` how many do. An object has `fields` by property name, and
    `entries` for all keys that are data; `unnamed` counts names that only one of many documents has. An array has
    `items`. The ages, in days, are those of the oldest and the youngest document that has it.
    """

    parents: int
    present: int
    oldest_days: float | None = None
    youngest_days: float | None = None
    kinds: dict[Kind, int]
    texts: TextFacts | None = None
    numbers: NumberFacts | None = None
    arrays: ArrayFacts | None = None
    distinct: Distinct | None = None
    suspicions: dict[Suspicion, Reason] = {}
    hazards: tuple[Hazard, ...] = ()
    spellings: tuple[tuple[str, ...], ...] = ()
    fields: dict[str, "Facts"] = {}
    unnamed: int = 0
    items: "Facts | None" = None
    entries: "Facts | None" = None
    # Of whole documents.
    alike: tuple[Alike, ...] = ()
    # Values that `init` sets aside; a profile has none.
    odd: int = 0
    # Those of them that are numbers in texts, or numbers among such texts, with at most two digits after the point.
    odd_numbers: dict[Form, int] = {}

    @property
    def kind(self) -> Kind | None:
        """Return the one kind of all values that are not null, or None."""
        kinds = [kind for kind in self.kinds if kind != "null"]
        return kinds[0] if len(kinds) == 1 else None

    @property
    def form(self) -> Form | None:
        """Return the one form of all texts that are not empty, or None."""
        forms = [] if self.texts is None else [form for form in self.texts.forms if form is not Form.EMPTY]
        return forms[0] if len(forms) == 1 else None

    @property
    def always(self) -> bool:
        """Return whether it was never missing and never null."""
        return self.present == self.parents and "null" not in self.kinds

    @property
    def is_dictionary(self) -> bool:
        """Return whether the keys of these objects are data, at least some of them."""
        return self.entries is not None

    @property
    def is_secret(self) -> bool:
        """Return whether the name says that its values, or those in its array or dictionary, are secret."""
        inner = (self.items, self.entries)
        return Suspicion.SECRET in self.suspicions or any(each is not None and each.is_secret for each in inner)

    def walk(self, path: str = "$") -> Iterator[tuple[str, "Facts"]]:
        """Return all paths from here on, each with its facts; `[]` is any index, `{}` any key of a dictionary."""
        return ((each, facts) for each, _, facts in self.walk_named(path))

    def walk_named(self, path: str = "$", name: str = "") -> Iterator[tuple[str, str, "Facts"]]:
        """Return all paths from here on, each with the name of the property that it is, or "", and its facts."""
        yield path, name, self
        for each, facts in self.fields.items():
            simple = each.replace("$", "_").isidentifier()
            yield from facts.walk_named(f"{path}.{each}" if simple else f'{path}["{each}"]', each)
        if self.entries is not None:
            yield from self.entries.walk_named(f"{path}{{}}")
        if self.items is not None:
            yield from self.items.walk_named(f"{path}[]")


class KeyFacts(_Part):
    """The ids of a type's documents: `repeated` ones occur under more than one partition key.

    `prefixed` begin with the type's name and a bar, as Entity Framework writes them.
    """

    ids: int
    repeated: int
    exact: bool
    prefixed: int = 0
    without_partition_key: int = 0


class TypeProfile(_Part):
    """The documents of one type; without a name they name none, and `other` are names that are not shown."""

    name: str | None
    documents: int
    key: KeyFacts
    root: Facts


class Source(_Part):
    """Where the documents are from, and how many were read; ages are in days."""

    name: str
    kind: Literal["container", "file"]
    read: int
    complete: bool
    documents: int | None = None
    partition_key: tuple[str, ...] = ()
    feed_ranges: int | None = None
    request_units: float | None = None
    youngest_days: float | None = None
    oldest_days: float | None = None


class Profile(_Part):
    """What is in a container or in a file; `left_out` counts properties for which there was no space."""

    format: Literal[1]
    made_at: datetime
    source: Source
    # Where a document has several of them, the first one names its type.
    type_properties: tuple[str, ...]
    types: tuple[TypeProfile, ...]
    left_out: int = 0

    def write(self) -> str:
        """Write the profile as JSON; what has its default is left out."""
        return self.model_dump_json(indent=2, exclude_defaults=True) + "\n"

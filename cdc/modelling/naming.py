"""Names of fields, columns, tables and classes for names that documents use."""

import builtins
import keyword
import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from itertools import count
from zlib import crc32

from pydantic.alias_generators import to_pascal, to_snake

from cdc.core.conventions import Naming, fold
from cdc.core.document_models import RootDocument
from cdc.modelling.imports import OURS, STANDARD

_LONGEST = 55
# Names that no module and no table may have.
RESERVED = frozenset((*keyword.kwlist, *dir(builtins)))
_IMPORTED = frozenset((*OURS, *STANDARD))
# The last ones are words in the classes that have the fields, or look like a number.
_FIELDS_TAKEN = {*keyword.kwlist, *dir(RootDocument), *_IMPORTED, "bool", "list", "l"} - {"id"}
_CLASSES_TAKEN = {*RESERVED, *_IMPORTED, "Document", "Part", "I", "O"}


@dataclass(frozen=True, slots=True)
class Taken:
    """Names of modules and tables that other containers, or the languages, have."""

    modules: set[str]
    tables: set[str]

    def take_module(self, name: str, container: str) -> str:
        """Take a name of a module; the container's name goes in front where another module has it."""
        return take(name if name not in self.modules else f"{write_snake(container)}_{name}", self.modules)


def write_snake(name: str) -> str:
    """Return a name in snake case that Python and PostgreSQL take."""
    words = re.sub(r"\W+", "_", name, flags=re.ASCII)
    # A digit belongs to the letters before it: `line2`.
    words = "".join(map(to_snake, re.split(r"(?<=[a-z])(?=[0-9])", words))).strip("_")[:_LONGEST].strip("_") or "value"
    return f"n{words}" if words[0].isdigit() else words


def shorten(name: str) -> str:
    """Return a name that PostgreSQL takes whole; a number keeps those apart that begin alike."""
    return name if len(name) <= _LONGEST else f"{name[: _LONGEST - 9]}_{crc32(name.encode()):08x}"


def distinguish(name: str, taken: Collection[str], before: str = "_") -> str:
    """Return a name that is not taken: this one, or with a number behind it."""
    numbered = (f"{name}{before}{number}" for number in count(2))
    return name if name not in taken else next(each for each in numbered if each not in taken)


def take(name: str, taken: set[str], before: str = "_") -> str:
    """Return a name that was not taken, and take it."""
    found = distinguish(name, taken, before)
    taken.add(found)
    return found


def name_field(name: str) -> str:
    """Return the name of a property's field."""
    field = write_snake(name)
    return f"{field}_" if field in _FIELDS_TAKEN else field


def name_class(type_: str) -> str:
    """Return the name of a type's class: of .NET's full name the last part."""
    last = re.split(r"[.+:/]", type_.partition(",")[0].strip())[-1] or type_
    name = last if re.fullmatch(r"[A-Z][A-Za-z0-9]*", last) else to_pascal(write_snake(last))
    name = name.replace("_", "")
    return f"{name}Document" if name in _CLASSES_TAKEN else name


def group_spellings(names: Iterable[str]) -> list[list[str]]:
    """Return the names by what they are without capitals, underscores and hyphens."""
    found: dict[str, list[str]] = {}
    for name in names:
        found.setdefault(fold(name).replace("-", ""), []).append(name)
    return list(found.values())


def singular(word: str) -> str:
    """Return the singular of an English word, as well as its last letters tell."""
    if word.endswith("ies") and len(word) > 4:
        return f"{word[:-3]}y"
    # One expense, one house: of most words that end so, the e is their own.
    if re.search(r"(?:ss|x|zz|ch|sh|[^aeo]us|alias)es$", word):
        return word[:-2]
    return word[:-1] if word.endswith("s") and not re.search(r"(?:ss|us|is|alias|news)$", word) else word


def plural(word: str) -> str:
    """Return the plural of an English word, as well as its last letters tell."""
    if singular(word) != word or word.endswith("news"):
        return word
    if re.search(r"[^aeiou]y$", word):
        return f"{word[:-1]}ies"
    return f"{word}es" if re.search(r"(?:s|x|z|ch|sh)$", word) else f"{word}s"


def find_naming(names: Iterable[str]) -> Naming:
    """Return how most of these properties are named."""
    every = [name for name in names if name.isidentifier() and name.isascii()]
    written = {naming: sum(naming.write(to_snake(name)) == name for name in every) for naming in Naming}
    humps = any(re.search(r"[a-z][A-Z]", name) for name in every)
    order = (Naming.PASCAL, Naming.CAMEL, Naming.SNAKE) if humps else (Naming.PASCAL, Naming.SNAKE, Naming.CAMEL)
    return max(order, key=lambda naming: written[naming])


_RESERVED_WORDS = (
    "all analyse analyze and any array as asc asymmetric authorization between both case cast check collate "
    "collation column concurrently constraint create cross current_date current_time current_timestamp "
    "current_user default deferrable desc distinct do else end except false fetch for foreign freeze from full "
    "grant group having ilike in initially inner intersect into is isnull join lateral leading left like limit "
    "localtime localtimestamp natural not notnull null offset on only or order outer overlaps placing primary "
    "references returning right select session_user similar some symmetric table tablesample then to trailing "
    "true union unique user using variadic verbose when where window with"
)
_RESERVED = frozenset(_RESERVED_WORDS.split())


def quote(name: str) -> str:
    """Return a name as SQL takes it."""
    doubled = name.replace('"', '""')
    return f'"{doubled}"' if name in _RESERVED or not re.fullmatch("[a-z_][a-z0-9_]*", name) else name

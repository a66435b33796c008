"""Tell which properties were perhaps renamed: names that are alike, one of them only in new documents."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache

from cdc.core.conventions import Instants, fold
from cdc.modelling.columns import ENOUGH, choose
from cdc.modelling.naming import write_snake
from cdc.modelling.profile import Alike, Facts

# A property is new if the first share of the time has none.
_LATE = 0.2
# Shorter names are in too many others, and so are more names.
_SHORTEST = 3
_NAMES_AT_MOST = 200
_SIMPLE = ("string", "number", "boolean")
_UNSET = (None, "")


class Alikes:
    """Counts the documents that have both of two properties whose names are alike, and in how many both differ."""

    __slots__ = ("both", "different", "others")

    def __init__(self) -> None:
        # By name those that came before it and are alike.
        self.others: dict[str, list[str]] = {}
        self.both: Counter[tuple[str, str]] = Counter()
        self.different: Counter[tuple[str, str]] = Counter()

    def see(self, document: Mapping[str, object]) -> None:
        """Look at the properties of one document."""
        for name, value in document.items():
            for other in self.others[name] if name in self.others else self._add(name):
                if other in document:
                    pair = _pair(name, other)
                    self.both[pair] += 1
                    filled = value not in _UNSET and document[other] not in _UNSET
                    self.different[pair] += filled and value != document[other]

    def merge(self, alikes: "Alikes") -> None:
        """Add what another one has counted."""
        for name in alikes.others:
            if name not in self.others:
                self._add(name)
        self.both += alikes.both
        self.different += alikes.different

    def describe(self, shown: Mapping[str, object]) -> tuple[Alike, ...]:
        """Return what was counted of properties whose names are shown."""
        pairs = sorted(_pair(name, other) for name, others in self.others.items() for other in others)
        return tuple(
            Alike(names=pair, both=self.both[pair], different=self.different[pair])
            for pair in pairs
            if pair[0] in shown and pair[1] in shown
        )

    def _add(self, name: str) -> list[str]:
        if len(self.others) >= _NAMES_AT_MOST:
            return []
        found = [other for other in self.others if _are_alike(name, other)]
        self.others[name] = found
        return found


def _pair(name: str, other: str) -> tuple[str, str]:
    return (name, other) if name < other else (other, name)


@lru_cache(maxsize=2**15)  # many types have the same names, and each is compared with every other one
def _are_alike(name: str, other: str) -> bool:
    last = _find_last_word(name)
    return _is_in_another(name, other) or (len(last) >= _SHORTEST and last == _find_last_word(other))


def _find_last_word(name: str) -> str:
    return write_snake(name).rpartition("_")[2]


def _is_in_another(name: str, other: str) -> bool:
    short, long = sorted((fold(name), fold(other)), key=len)
    return len(short) >= _SHORTEST and short != long and short in long


@dataclass(frozen=True, slots=True)
class Rename:
    """A property with its new and its old name; `both` documents have both, which differ in some of them.

    It `is_sure` if every document has one of them, both never differ, and they have one type.
    """

    new: str
    old: str
    both: int
    different: int
    is_sure: bool


def find_renames(root: Facts) -> Iterator[Rename]:
    """Return the properties of documents that were perhaps renamed."""
    found = list(_find(root))
    names = Counter(name for each in found for name in (each.new, each.old))
    yield from (replace(each, is_sure=each.is_sure and names[each.new] == names[each.old] == 1) for each in found)


def _find(root: Facts) -> Iterator[Rename]:
    fields = root.fields
    for alike in root.alike:
        for new, old in (alike.names, alike.names[::-1]):
            newer, older = fields[new], fields[old]
            late = _begins_late(newer, root) and not _begins_late(older, root)
            if not late or older.always or newer.kind != older.kind or newer.kind is None:
                continue
            covered = newer.present + older.present - alike.both >= root.present and _is_in_another(new, old)
            if covered or _avoid_each_other(newer, older, alike, root):
                is_sure = covered and not alike.different and _have_one_type(new, newer, old, older)
                yield Rename(new, old, alike.both, alike.different, is_sure)


def _avoid_each_other(newer: Facts, older: Facts, alike: Alike, root: Facts) -> bool:
    """Return whether no document has both, although many would by chance; some need not have any."""
    by_chance = newer.present * older.present / root.present
    return not alike.both and by_chance >= ENOUGH and newer.form == older.form


def join(newer: Facts, older: Facts, parents: int) -> Facts:
    """Return the facts of a property of which every document has the newer or the older name."""
    kinds = {kind: newer.kinds.get(kind, 0) + older.kinds.get(kind, 0) for kind in newer.kinds.keys() | older.kinds}
    return newer.model_copy(update={"parents": parents, "present": parents, "kinds": kinds})


def _have_one_type(new: str, newer: Facts, old: str, older: Facts) -> bool:
    enough = newer.present >= ENOUGH and older.present >= ENOUGH
    one = choose(new, newer, Instants.ISO) == choose(old, older, Instants.ISO)
    return enough and one and newer.kind in _SIMPLE and not (newer.is_secret or older.is_secret)


def _begins_late(facts: Facts, root: Facts) -> bool:
    begin, end, own = root.oldest_days, root.youngest_days, facts.oldest_days
    return None not in (begin, end, own) and (begin or 0) - (own or 0) > _LATE * ((begin or 0) - (end or 0))

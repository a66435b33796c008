"""What was seen at each path of many documents, in bounded memory."""

from collections import Counter
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any, Literal

from cdc.core.fields import is_exact_double
from cdc.modelling import forms
from cdc.modelling.dictionaries import choose_data_keys
from cdc.modelling.forms import DAYS, INSTANTS, Form
from cdc.modelling.sketch import Sketch

Kind = Literal["null", "boolean", "number", "string", "array", "object"]

_DISTINCT_AT_MOST = 256
_DEEPEST = 40
# An object with more names is looked at once: rare names become entries of a dictionary.
_NAMES_AT_MOST = 400
_NODES_AT_MOST = 20_000


class Space:
    """How many paths may still be added; `left_out` counts properties for which there was no space.

    `ts` is when the document was written that is looked at.
    """

    __slots__ = ("left_out", "nodes", "ts")

    def __init__(self, nodes: int = _NODES_AT_MOST) -> None:
        self.nodes = nodes
        self.left_out = 0
        self.ts: int | None = None


class Texts:
    """What the texts at one path look like; `counts` are those of `TextFacts`."""

    __slots__ = ("counts", "digits_after", "forms", "fractions", "longest", "shortest")

    def __init__(self) -> None:
        self.forms: Counter[Form] = Counter()
        self.fractions: Counter[int] = Counter()
        self.counts: Counter[str] = Counter()
        self.shortest: int | None = None
        self.longest = self.digits_after = 0

    def see(self, text: str) -> None:
        form, length = forms.read_form(text), len(text)
        self.forms[form] += 1
        if form in INSTANTS:
            self.fractions[forms.count_fraction(text)] += 1
            self.counts["loose"] += forms.is_loose(text)
        if form is Form.DECIMAL:
            self.digits_after = max(self.digits_after, len(text.partition(".")[2].rstrip("0")))
        if form in DAYS and forms.means_never(text):
            self.counts["never"] += 1
            self.counts["last"] += forms.is_last(text)
        self.shortest = length if self.shortest is None else min(self.shortest, length)
        self.longest = max(self.longest, length)
        if "\0" in text:
            self.counts["nul"] += 1
        if forms.has_surrogates(text):
            self.counts["surrogates"] += 1

    def merge(self, other: "Texts") -> None:
        self.forms += other.forms
        self.fractions += other.fractions
        self.counts += other.counts
        self.digits_after = max(self.digits_after, other.digits_after)
        lengths = [length for length in (self.shortest, other.shortest) if length is not None]
        self.shortest, self.longest = min(lengths, default=None), max(self.longest, other.longest)


class Numbers:
    """What the numbers at one path look like; `counts` are those of `NumberFacts`."""

    __slots__ = ("after", "amounts", "before", "counts", "epochs", "sizes")

    def __init__(self) -> None:
        self.sizes: Counter[str] = Counter()
        self.amounts: Counter[str] = Counter()
        self.epochs: Counter[str] = Counter()
        self.counts: Counter[str] = Counter()
        self.before = self.after = 0

    def see(self, number: float | Decimal) -> None:
        whole = forms.read_whole(number)
        if whole is None and not Decimal(number).is_finite():
            self.counts["not_finite"] += 1
            return
        if not isinstance(number, int):
            self.counts["pointed"] += 1
        before, after = forms.count_digits(number)
        self.before, self.after = max(self.before, before), max(self.after, after)
        if forms.is_amount(before, after):
            self.amounts["two" if after <= 2 else "four"] += 1
        if whole is None:
            self.counts["fractional"] += 1
            return
        self.sizes[forms.read_size(whole)] += 1
        if isinstance(number, int) and not is_exact_double(number):
            self.counts["rounded"] += 1
        epoch = forms.read_epoch(whole)
        if epoch is not None:
            self.epochs[epoch] += 1

    def merge(self, other: "Numbers") -> None:
        self.sizes += other.sizes
        self.amounts += other.amounts
        self.epochs += other.epochs
        self.counts += other.counts
        self.before, self.after = max(self.before, other.before), max(self.after, other.after)


class Arrays:
    """The sizes of the arrays at one path, and which properties tell their objects apart."""

    __slots__ = ("counts", "item_keys", "largest", "repeats")

    def __init__(self) -> None:
        self.counts: Counter[Literal["empty", "items", "several", "of_objects"]] = Counter()
        self.largest = 0
        # Properties that every object had so far, and in how many arrays their values repeat.
        self.item_keys: set[str] = set()
        self.repeats: Counter[str] = Counter()

    def see(self, array: list[Any]) -> None:
        size = len(array)
        self.counts["items"] += size
        self.counts["empty"] += not size
        self.counts["several"] += size > 1
        self.largest = max(self.largest, size)
        objects = [item for item in array if isinstance(item, dict)]
        if objects and len(objects) == size:
            is_first = not self.counts["of_objects"]
            names = {name for name in objects[0] if _names_key(name)} if is_first else self.item_keys
            self.counts["of_objects"] += 1
            self.item_keys = {name for name in names if _all_have(name, objects)}
            self.repeats.update(name for name in self.item_keys if len({each[name] for each in objects}) < size)

    def merge(self, other: "Arrays") -> None:
        if self.counts["of_objects"] and other.counts["of_objects"]:
            self.item_keys &= other.item_keys
        elif other.counts["of_objects"]:
            self.item_keys = other.item_keys
        self.largest = max(self.largest, other.largest)
        self.repeats += other.repeats
        self.counts += other.counts


class Node:
    """Everything that was seen at one path; `times` says when its oldest and its newest document were written."""

    __slots__ = (
        *("arrays", "different", "entries", "fields", "folded", "items"),
        *("kinds", "numbers", "present", "texts", "times"),
    )

    def __init__(self) -> None:
        self.present = 0
        self.times: tuple[int, int] | None = None
        self.kinds: Counter[Kind] = Counter()
        self.texts: Texts | None = None
        self.numbers: Numbers | None = None
        self.arrays: Arrays | None = None
        self.different = Sketch(_DISTINCT_AT_MOST)
        self.fields: dict[str, Node] = {}
        self.items: Node | None = None
        self.entries: Node | None = None
        # Names are folded into entries from now on.
        self.folded = False

    def see(self, value: object, space: Space, depth: int = 0) -> None:
        """Look at one value and at what is inside it."""
        self.present += 1
        if space.ts is not None:
            self.times = _widen(self.times, (space.ts, space.ts))
        if value is None:
            self.kinds["null"] += 1
        elif isinstance(value, bool):
            self.kinds["boolean"] += 1
        elif isinstance(value, str):
            self.kinds["string"] += 1
            self.texts = self.texts or Texts()
            self.texts.see(value)
            self.different.add(value)
        elif isinstance(value, int | float | Decimal):
            self.kinds["number"] += 1
            self.numbers = self.numbers or Numbers()
            self.numbers.see(value)
            self.different.add(value)
        elif isinstance(value, list):
            self._see_array(value, space, depth)
        elif isinstance(value, dict):
            self.see_object(value.items(), space, depth)

    def see_object(self, properties: Iterable[tuple[str, object]], space: Space, depth: int = 0) -> None:
        """Look at an object's properties."""
        self.kinds["object"] += 1
        if depth >= _DEEPEST:
            space.left_out += 1
            return
        for name, value in properties:
            child = self.fields.get(name) or self._add(name, space)
            if child is not None:
                child.see(value, space, depth + 1)
        if len(self.fields) > _NAMES_AT_MOST and not self.folded:
            before = self.count()
            self.fold(is_root=depth == 0, overflows=True)
            space.nodes += before - self.count()

    def count(self) -> int:
        """Return how many properties are below, as `Space` counts them."""
        inner = (self.items, self.entries)
        below = sum(1 + child.count() for child in self.fields.values())
        return below + sum(each.count() for each in inner if each is not None)

    def merge(self, other: "Node") -> None:
        """Add what another node has seen."""
        self.present += other.present
        self.times = _widen(self.times, other.times)
        self.kinds += other.kinds
        self.different.merge(other.different)
        self.folded = self.folded or other.folded
        for name in ("texts", "numbers", "arrays", "items", "entries"):
            mine, theirs = getattr(self, name), getattr(other, name)
            if mine is None:
                setattr(self, name, theirs)
            elif theirs is not None:
                mine.merge(theirs)
        for name, child in other.fields.items():
            if name in self.fields:
                self.fields[name].merge(child)
            else:
                self.fields[name] = child

    def fold(self, *, is_root: bool, overflows: bool = False) -> None:
        """Make one node, `entries`, of all properties whose names are data."""
        self._fold(choose_data_keys(self, is_root=is_root, overflows=overflows))
        self.folded = self.folded or overflows

    def fold_all(self) -> None:
        """Make one node, `entries`, of all properties."""
        self._fold(list(self.fields))

    def _fold(self, names: Sequence[str]) -> None:
        for name in names:
            child = self.fields.pop(name)
            if self.entries is None:
                self.entries = child
            else:
                self.entries.merge(child)

    def _see_array(self, array: list[Any], space: Space, depth: int) -> None:
        self.kinds["array"] += 1
        self.arrays = self.arrays or Arrays()
        self.arrays.see(array)
        if depth >= _DEEPEST:
            space.left_out += 1
            return
        if array and self.items is None:
            self.items = Node()
        for item in array:
            if self.items is not None:
                self.items.see(item, space, depth + 1)

    def _add(self, name: str, space: Space) -> "Node | None":
        if self.folded:
            self.entries = self.entries or Node()
            return self.entries
        if not space.nodes:
            space.left_out += 1
            return None
        space.nodes -= 1
        child = self.fields[name] = Node()
        return child


def _widen(times: tuple[int, int] | None, others: tuple[int, int] | None) -> tuple[int, int] | None:
    if times is None or others is None:
        return times or others
    return min(times[0], others[0]), max(times[1], others[1])


def is_own_key(name: str) -> bool:
    """Return whether a property's name says that it is the key of its object."""
    return name.lower().strip("_$@") in ("id", "key", "uuid", "guid")


def _all_have(name: str, objects: Sequence[dict[str, Any]]) -> bool:
    values = [each.get(name) for each in objects]
    return all(isinstance(value, str | int) and not isinstance(value, bool) and value != "" for value in values)


def _names_key(name: str) -> bool:
    return is_own_key(name) or name.lower() in ("code", "number", "sku") or name.endswith(("Id", "_id", "ID", "Key"))

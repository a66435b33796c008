"""Turn what was seen at a path into the facts of a profile."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from cdc.modelling.dictionaries import says_dictionary
from cdc.modelling.forms import INSTANTS, Form
from cdc.modelling.naming import group_spellings
from cdc.modelling.nodes import Arrays, Node, Numbers, Texts, is_own_key
from cdc.modelling.personal import Reason, Suspicion, suspect
from cdc.modelling.profile import ArrayFacts, Distinct, Facts, Hazard, NumberFacts, TextFacts

_DATES = (*INSTANTS, Form.DATE, Form.DATE_OTHER)
_NUMERIC = (Form.WHOLE_NUMBER, Form.DECIMAL)
# A double holds so many digits.
_DIGITS = 15
_SEVEN = 7
_DAY_SECONDS = 86_400
# Of so many documents a name that only one has may be data: it is counted, and not shown.
_MANY = 20
# Arrays of one item do not show that a reference to something else tells items apart.
_ENOUGH = 2


@dataclass(frozen=True, slots=True)
class _Whole:
    """What is described: how many documents, and when, in seconds."""

    documents: int
    now: int


def describe(root: Node, now: int) -> Facts:
    """Return the facts of documents; names of properties that are data are folded."""
    return _describe(root, root.present, _Whole(root.present, now), is_root=True)


def _describe(
    node: Node, parents: int, whole: _Whole, name: str = "", *, below: str = "", is_root: bool = False
) -> Facts:
    """Describe the property `name`, or what is inside the property `below`."""
    node.fold(is_root=is_root)
    if says_dictionary(name) and len({kind for child in node.fields.values() for kind in child.kinds} - {"null"}) == 1:
        node.fold_all()
    fields = {each: child for each, child in node.fields.items() if child.present > 1 or whole.documents < _MANY}
    objects = node.kinds["object"]
    spellings, arrays, items = _find_spellings(fields), None, None
    if node.arrays is not None:
        items = None if node.items is None else _describe(node.items, node.arrays.items, whole, below=name or below)
        arrays = _describe_arrays(node.arrays, items, name)
    oldest, youngest = (None, None) if node.times is None else (_age(ts, whole.now) for ts in node.times)
    return Facts(
        parents=parents,
        present=node.present,
        oldest_days=oldest,
        youngest_days=youngest,
        kinds=dict(node.kinds),
        texts=None if node.texts is None else _describe_texts(node.texts),
        numbers=None if node.numbers is None else _describe_numbers(node.numbers),
        arrays=arrays,
        distinct=_describe_distinct(node),
        suspicions=_suspect(node, name or below),
        hazards=tuple(_find_hazards(node, parents, spellings, arrays)),
        spellings=spellings,
        fields={each: _describe(child, objects, whole, each) for each, child in fields.items()},
        unnamed=len(node.fields) - len(fields),
        items=items,
        entries=None
        if node.entries is None
        else _describe(node.entries, node.entries.present, whole, below=name or below),
    )


def _age(ts: int, now: int) -> float:
    return max(0.0, round((now - ts) / _DAY_SECONDS, 1))


def _describe_distinct(node: Node) -> Distinct | None:
    if node.texts is None and node.numbers is None:
        return None
    values = node.different
    return Distinct(values=values.distinct, repeated=values.repeated, exact=values.exact)


def _describe_texts(texts: Texts) -> TextFacts:
    return TextFacts(
        forms=dict(texts.of_form.most_common()),
        shortest=texts.shortest or 0,
        longest=texts.longest,
        fractions=dict(sorted(texts.fractions.items())),
        never=texts.never,
        nul=texts.nul,
        surrogates=texts.surrogates,
        beyond_ascii=texts.beyond_ascii,
    )


def _describe_numbers(numbers: Numbers) -> NumberFacts:
    return NumberFacts.model_validate(
        {
            "sizes": dict(numbers.of_size),
            "fractional": numbers.fractional,
            "pointed": numbers.pointed,
            "negative": numbers.negative,
            "not_finite": numbers.not_finite,
            "digits_before": numbers.before,
            "digits_after": numbers.after,
            "epochs": dict(numbers.epochs),
        }
    )


def _describe_arrays(arrays: Arrays, items: Facts | None, name: str) -> ArrayFacts:
    shown = () if items is None else items.fields
    keys = [name for name in arrays.item_keys if name in shown and (arrays.several >= _ENOUGH or is_own_key(name))]
    return ArrayFacts(
        empty=arrays.empty,
        items=arrays.items,
        largest=arrays.largest,
        several=arrays.several,
        repeating=arrays.repeating,
        item_key=choose_item_key(keys, name),
    )


def choose_item_key(keys: Iterable[str], array: str) -> str | None:
    """Return the surest key of an array's items, or None if there is none."""
    return min(keys, key=lambda key: (_rank_key(key, array), len(key), key), default=None)


def _rank_key(key: str, array: str) -> int:
    """Rank a key of an array's items: `id` first, then `lineId` in `lines`, then what may be a reference."""
    stem = re.sub("_?(?:id|key)$", "", key.lower())
    return 0 if is_own_key(key) else 1 if stem and stem != key.lower() and stem in array.lower() else 2


def _suspect(node: Node, name: str) -> dict[Suspicion, Reason]:
    if not (node.kinds.keys() & {"string", "number"} or (node.kinds.keys() == {"null"})):
        return {}
    return suspect(name, {} if node.texts is None else node.texts.of_form)


def _find_spellings(fields: Iterable[str]) -> tuple[tuple[str, ...], ...]:
    # Documents of EF have both.
    return tuple(tuple(names) for names in group_spellings(fields) if len(names) > 1 and set(names) != {"Id", "id"})


def _find_hazards(node: Node, parents: int, spellings: object, arrays: ArrayFacts | None) -> Iterator[Hazard]:
    if len(node.kinds.keys() - {"null"}) > 1:
        yield Hazard.MIXED_KINDS
    if node.kinds["null"] and node.present < parents:
        yield Hazard.NULL_AND_ABSENT
    if spellings:
        yield Hazard.SPELLINGS
    if arrays is not None and node.arrays is not None and node.arrays.of_objects and arrays.item_key is None:
        yield Hazard.NO_ITEM_KEY
    if node.texts is not None:
        yield from _find_hazards_of_texts(node.texts)
    if node.numbers is not None:
        yield from _find_hazards_of_numbers(node.numbers)


def _find_hazards_of_texts(texts: Texts) -> Iterator[Hazard]:
    forms = {form for form in texts.of_form if form is not Form.EMPTY}
    found = {
        Hazard.NUL: texts.nul,
        Hazard.LONE_SURROGATE: texts.surrogates,
        Hazard.EMPTY_TEXT: Form.EMPTY in texts.of_form and forms,
        Hazard.MIXED_TIMES: forms & {*_DATES} and len(forms) > 1,
        Hazard.SEVEN_DIGITS: any(digits >= _SEVEN for digits in texts.fractions),
        Hazard.NO_ZONE: Form.INSTANT_LOCAL in forms,
        Hazard.NEVER: texts.never,
        Hazard.NUMBERS_AND_TEXTS: forms & {*_NUMERIC},
        Hazard.JSON_TEXT: Form.JSON in forms,
    }
    yield from (hazard for hazard, there in found.items() if there)


def _find_hazards_of_numbers(numbers: Numbers) -> Iterator[Hazard]:
    if numbers.of_size["int64"] or numbers.of_size["larger"]:
        yield Hazard.BEYOND_2_53
    if numbers.fractional and numbers.before + numbers.after > _DIGITS:
        yield Hazard.MANY_DIGITS
    if numbers.not_finite:
        yield Hazard.NOT_FINITE

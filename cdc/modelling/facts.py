"""Turn what was seen at a path into the facts of a profile."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from cdc.modelling.dictionaries import says_dictionary
from cdc.modelling.hazards import find_hazards
from cdc.modelling.naming import group_spellings
from cdc.modelling.nodes import Arrays, Node, Numbers, Texts, is_own_key
from cdc.modelling.odd_values import are_nearly_all
from cdc.modelling.personal import Reason, Suspicion, suspect
from cdc.modelling.profile import ArrayFacts, Distinct, Facts, NumberFacts, TextFacts

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
    items, entries = (
        None if inner is None else _describe(inner, inner.present, whole, below=name or below)
        for inner in (node.items, node.entries)
    )
    oldest, youngest = (None, None) if node.times is None else (_age(ts, whole.now) for ts in node.times)
    facts = Facts(
        parents=parents,
        present=node.present,
        oldest_days=oldest,
        youngest_days=youngest,
        kinds=dict(node.kinds),
        texts=None if node.texts is None else _describe_texts(node.texts),
        numbers=None if node.numbers is None else _describe_numbers(node.numbers),
        arrays=None if node.arrays is None else _describe_arrays(node.arrays, items, name),
        distinct=_describe_distinct(node),
        suspicions=_suspect(node, name or below),
        spellings=_find_spellings(fields),
        fields={each: _describe(child, node.kinds["object"], whole, each) for each, child in fields.items()},
        unnamed=len(node.fields) - len(fields),
        items=items,
        entries=entries,
    )
    return facts.model_copy(update={"hazards": tuple(find_hazards(facts))})


def _age(ts: int, now: int) -> float:
    return max(0.0, round((now - ts) / _DAY_SECONDS, 1))


def _describe_distinct(node: Node) -> Distinct | None:
    if node.texts is None and node.numbers is None:
        return None
    values = node.different
    return Distinct(values=values.distinct, repeated=values.repeated, exact=values.exact)


def _describe_texts(texts: Texts) -> TextFacts:
    return TextFacts.model_validate(
        {
            "forms": dict(texts.forms.most_common()),
            "shortest": texts.shortest,
            "longest": texts.longest,
            "digits_after": texts.digits_after,
            "fractions": dict(sorted(texts.fractions.items())),
            **texts.counts,
        }
    )


def _describe_numbers(numbers: Numbers) -> NumberFacts:
    return NumberFacts.model_validate(
        {
            "sizes": dict(numbers.sizes),
            "amounts": dict(numbers.amounts),
            "digits_before": numbers.before,
            "digits_after": numbers.after,
            "epochs": dict(numbers.epochs),
            **numbers.counts,
        }
    )


def _describe_arrays(arrays: Arrays, items: Facts | None, name: str) -> ArrayFacts:
    shown, counts = () if items is None else items.fields, arrays.counts
    keys = [key for key in arrays.item_keys if key in shown and _tells_apart(key, arrays, name)]
    item_key = choose_item_key(keys, name)
    return ArrayFacts(
        empty=counts["empty"],
        items=counts["items"],
        largest=arrays.largest,
        item_key=item_key,
        repeating=0 if item_key is None else arrays.repeats[item_key],
    )


def _tells_apart(key: str, arrays: Arrays, name: str) -> bool:
    """Return whether a property tells the items of an array apart; a reference does only if it never repeats."""
    several, repeating = arrays.counts["several"], arrays.repeats[key]
    if _rank_key(key, name) < 2:
        return not repeating or are_nearly_all(several - repeating, several)
    return not repeating and several >= _ENOUGH


def choose_item_key(keys: Iterable[str], array: str) -> str | None:
    """Return the surest key of an array's items, or None if there is none."""
    return min(keys, key=lambda key: (_rank_key(key, array), len(key), key), default=None)


def _rank_key(key: str, array: str) -> int:
    """Rank a key of an array's items: `id` first, then `lineId` in `lines`, then what may be a reference."""
    stem = re.sub("_?(?:id|key)$", "", key.lower())
    return 0 if is_own_key(key) else 1 if stem and stem != key.lower() and stem in array.lower() else 2


def _suspect(node: Node, name: str) -> dict[Suspicion, Reason]:
    if not node.kinds.keys() & {"string", "number"} and node.kinds.keys() != {"null"}:
        return {}
    return suspect(name, {} if node.texts is None else node.texts.forms)


def _find_spellings(fields: Iterable[str]) -> tuple[tuple[str, ...], ...]:
    # Documents of EF have both.
    return tuple(tuple(names) for names in group_spellings(fields) if len(names) > 1 and set(names) != {"Id", "id"})

"""Set odd values aside: one value in hundreds must not decide a column."""

from collections.abc import Mapping
from typing import TypeVar

from cdc.modelling.forms import INSTANTS, Form
from cdc.modelling.hazards import find_hazards
from cdc.modelling.profile import Facts, NumberFacts, TextFacts

# Of so many values, such a share decides.
_ENOUGH = 50
_MOST = 0.98
_OF_KIND = {"string": ("texts",), "number": ("numbers",), "array": ("arrays", "items"), "object": ()}
# Columns of other forms are texts, which hold every form.
_STRICT = frozenset((Form.UUID, Form.DATE, Form.DURATION, Form.JSON))
_Name = TypeVar("_Name", bound=str)


def set_aside(facts: Facts) -> Facts:
    """Return the facts without odd values, here and below; `odd` counts them."""
    fields = {name: set_aside(field) for name, field in facts.fields.items()}
    items = None if facts.items is None else set_aside(facts.items)
    facts = facts.model_copy(update={"fields": fields, "items": items})
    return _keep_form(_keep_kind(facts))


def are_nearly_all(count: int, total: int) -> bool:
    """Return whether so many of the values decide, although others are different."""
    return total >= _ENOUGH and count >= _MOST * total


def _choose(counts: Mapping[_Name, int]) -> _Name | None:
    """Return what nearly all values are, if there are others."""
    name = max(counts, key=lambda each: counts[each], default=None)
    is_sure = name is not None and len(counts) > 1 and are_nearly_all(counts[name], sum(counts.values()))
    return name if is_sure else None


def _keep_kind(facts: Facts) -> Facts:
    counts = {kind: count for kind, count in facts.kinds.items() if kind != "null"}
    kept = _choose(counts)
    if kept is None:
        return facts
    gone = counts.keys() - {kept}
    update: dict[str, object] = {name: None for kind in gone for name in _OF_KIND.get(kind, ())}
    update |= {"fields": {}, "entries": None, "unnamed": 0} if "object" in gone else {}
    kinds = {kind: count for kind, count in facts.kinds.items() if kind in (kept, "null")}
    odd = sum(counts[kind] for kind in gone)
    return _update(facts, odd, update | {"kinds": kinds})


def _keep_form(facts: Facts) -> Facts:
    if facts.kind == "string" and facts.texts is not None:
        return _keep_form_of_texts(facts, facts.texts)
    if facts.kind == "number" and facts.numbers is not None:
        return _keep_numbers(facts, facts.numbers)
    if facts.kind == "array" and facts.arrays is not None and facts.arrays.repeating:
        return _update(facts, facts.arrays.repeating, {})
    return facts


def _keep_form_of_texts(facts: Facts, texts: TextFacts) -> Facts:
    counts = {form: count for form, count in texts.forms.items() if form is not Form.EMPTY}
    instants = sum(count for form, count in counts.items() if form in INSTANTS)
    by_form = {form: count for form, count in counts.items() if form not in INSTANTS}
    if instants:
        by_form[Form.INSTANT_UTC] = instants
    kept = _choose(by_form)
    if kept is None or not (kept in _STRICT or kept is Form.INSTANT_UTC):
        return facts
    # A day is read as an instant, too.
    stay = {*INSTANTS, Form.DATE} if kept is Form.INSTANT_UTC else {kept}
    gone = counts.keys() - stay
    if not gone:
        return facts
    forms = {form: count for form, count in texts.forms.items() if form not in gone}
    fractions = texts.fractions if kept is Form.INSTANT_UTC else {}
    update = {"texts": texts.model_copy(update={"forms": forms, "fractions": fractions})}
    return _update(facts, sum(counts[form] for form in gone), update)


def _keep_numbers(facts: Facts, numbers: NumberFacts) -> Facts:
    """Keep times if nearly all numbers are milliseconds, and whole numbers that a column of these holds."""
    total = sum(numbers.sizes.values())
    if numbers.fractional or numbers.not_finite:
        return facts
    times, large = numbers.epochs.get("milliseconds", 0), numbers.sizes.get("larger", 0)
    if times < total and are_nearly_all(times, total):
        kept = {"sizes": {"int53": times}, "epochs": {"milliseconds": times}, "no_times": total - times}
        return facts.model_copy(update={"numbers": numbers.model_copy(update=kept)})
    if not large or not are_nearly_all(total - large, total):
        return facts
    sizes = {size: count for size, count in numbers.sizes.items() if size != "larger"}
    held = {"sizes": sizes, "digits_before": min(19, numbers.digits_before)}
    return _update(facts, large, {"numbers": numbers.model_copy(update=held)})


def _update(facts: Facts, odd: int, update: Mapping[str, object]) -> Facts:
    changed = facts.model_copy(update={**update, "odd": facts.odd + odd})
    return changed.model_copy(update={"hazards": tuple(find_hazards(changed))})

"""Set odd values aside: one value in hundreds must not decide a column."""

from collections import Counter
from collections.abc import Collection, Mapping
from typing import TypeVar

from cdc.core.conventions import Instants
from cdc.modelling.columns import TEXT, choose, find_instants, is_money
from cdc.modelling.forms import INSTANTS, Form
from cdc.modelling.hazards import find_hazards
from cdc.modelling.profile import Facts, NumberFacts, TextFacts

# Of so many values, such a share decides.
_ENOUGH = 50
_MOST = 0.98
_OF_KIND = {"string": ("texts",), "number": ("numbers",), "array": ("arrays", "items"), "object": ()}
# Columns of other forms are texts, which hold every form.
_STRICT = frozenset((Form.UUID, Form.DATE, Form.INSTANT_UTC, Form.DURATION, Form.JSON, Form.DECIMAL))
# These are one form: decimals are written without a point, too.
_JOINED = dict.fromkeys(INSTANTS, Form.INSTANT_UTC) | {Form.WHOLE_NUMBER: Form.DECIMAL}
_Name = TypeVar("_Name", bound=str)


def set_aside(facts: Facts, name: str = "") -> Facts:
    """Return the facts without odd values, here and below; `odd` counts them."""
    fields = {each: set_aside(field, each) for each, field in facts.fields.items()}
    items = None if facts.items is None else set_aside(facts.items)
    facts = facts.model_copy(update={"fields": fields, "items": items})
    return _keep_form(_keep_kind(facts), name)


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
    update["odd_numbers"] = {} if {kept} | gone != {"number", "string"} else _list_numbers(facts, gone)
    kinds = {kind: count for kind, count in facts.kinds.items() if kind in (kept, "null")}
    odd = sum(counts[kind] for kind in gone)
    return _update(facts, odd, update | {"kinds": kinds})


def _list_numbers(facts: Facts, gone: Collection[str]) -> dict[Form, int]:
    """Return how many odd values a field that reads numbers in texts, too, would take."""
    if "number" in gone:
        return {} if facts.numbers is None else {Form.DECIMAL: facts.numbers.amounts.get("two", 0)}
    texts = facts.texts
    if texts is None or texts.digits_after > 2:
        return {}
    return {form: texts.forms[form] for form in (Form.WHOLE_NUMBER, Form.DECIMAL) if form in texts.forms}


def _keep_form(facts: Facts, name: str) -> Facts:
    if facts.kind == "string" and facts.texts is not None:
        return _keep_form_of_texts(facts, facts.texts, name)
    if facts.kind == "number" and facts.numbers is not None:
        return _keep_numbers(facts, facts.numbers, name)
    return facts


def _keep_form_of_texts(facts: Facts, texts: TextFacts, name: str) -> Facts:
    counts = {form: count for form, count in texts.forms.items() if form is not Form.EMPTY}
    by_form: Counter[Form] = Counter()
    for form, count in counts.items():
        by_form[_JOINED.get(form, form)] += count
    kept = _choose(by_form)
    if kept is None or kept not in _STRICT:
        return facts
    # A day is read as an instant, too.
    also = {Form.DATE} if kept is Form.INSTANT_UTC else set()
    gone = {form for form in counts if _JOINED.get(form, form) is not kept and form not in also}
    if not gone:
        return facts
    forms = {form: count for form, count in texts.forms.items() if form not in gone}
    fractions = texts.fractions if kept is Form.INSTANT_UTC else {}
    update = {"texts": texts.model_copy(update={"forms": forms, "fractions": fractions})}
    changed = _update(facts, sum(counts[form] for form in gone), update)
    # A column of texts holds every form: numbers in texts are numbers only by their name.
    is_text = kept is Form.DECIMAL and choose(name, changed, Instants.ISO) == TEXT
    return facts if is_text else changed


def _keep_numbers(facts: Facts, numbers: NumberFacts, name: str) -> Facts:
    """Keep times if nearly all numbers are of one unit, and whole numbers that a column of these holds."""
    total = sum(numbers.sizes.values())
    if numbers.not_finite:
        return facts
    if numbers.fractional:
        return _keep_amounts(facts, numbers, name)
    for unit, times in numbers.epochs.items():
        if times < total and are_nearly_all(times, total):
            kept = {"sizes": {"int53": times}, "epochs": {unit: times}, "no_times": total - times}
            changed = _update(facts, total - times, {"numbers": numbers.model_copy(update=kept)})
            if find_instants(name, changed) is not None:
                return changed
    large = numbers.sizes.get("larger", 0)
    if not large or not are_nearly_all(total - large, total):
        return facts
    sizes = {size: count for size, count in numbers.sizes.items() if size != "larger"}
    held = {"sizes": sizes, "digits_before": min(19, numbers.digits_before)}
    return _update(facts, large, {"numbers": numbers.model_copy(update=held)})


def _keep_amounts(facts: Facts, numbers: NumberFacts, name: str) -> Facts:
    """Keep amounts of money if nearly all numbers are such: one with more digits would make all of them doubles."""
    total, kept = sum(numbers.sizes.values()) + numbers.fractional, sum(numbers.amounts.values())
    if kept == total or not are_nearly_all(kept, total):
        return facts
    digits = {"digits_before": min(11, numbers.digits_before), "digits_after": 4 if "four" in numbers.amounts else 2}
    sizes = {size: count for size, count in numbers.sizes.items() if size in ("int32", "int53")}
    changed = _update(facts, total - kept, {"numbers": numbers.model_copy(update={**digits, "sizes": sizes})})
    return changed if is_money(name, changed) else facts


def _update(facts: Facts, odd: int, update: Mapping[str, object]) -> Facts:
    changed = facts.model_copy(update={**update, "odd": facts.odd + odd})
    return changed.model_copy(update={"hazards": tuple(find_hazards(changed))})

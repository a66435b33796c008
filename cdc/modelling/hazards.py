"""Find what a mapper must be ready for in the facts of a path."""

from collections.abc import Iterator

from cdc.modelling.columns import ENOUGH
from cdc.modelling.forms import DAYS, Form
from cdc.modelling.profile import Facts, Hazard, NumberFacts, TextFacts

_DATES = frozenset((*DAYS, Form.DATE_OTHER))
_NUMERIC = frozenset((Form.WHOLE_NUMBER, Form.DECIMAL))
# A double holds so many digits.
_DIGITS = 15
_SEVEN = 7


def find_hazards(facts: Facts) -> Iterator[Hazard]:
    """Return the hazards of a path, without those below it."""
    if len(facts.kinds.keys() - {"null"}) > 1:
        yield Hazard.MIXED_KINDS
    if "null" in facts.kinds and facts.present < facts.parents:
        yield Hazard.NULL_AND_ABSENT
    if facts.spellings:
        yield Hazard.SPELLINGS
    items = facts.items
    if facts.arrays is not None and facts.arrays.item_key is None and items is not None and "object" in items.kinds:
        yield Hazard.NO_ITEM_KEY
    if facts.texts is not None:
        yield from _find_in_texts(facts.texts)
    if facts.numbers is not None:
        yield from _find_in_numbers(facts.numbers)


def has_zones(root: Facts) -> bool:
    """Return whether times anywhere in the documents name a zone."""
    forms = {form for _, facts in root.walk() if facts.texts is not None for form in facts.texts.forms}
    return not forms.isdisjoint((Form.INSTANT_UTC, Form.INSTANT_OFFSET))


def has_no_zone(facts: Facts) -> bool:
    """Return whether a path's times never name a zone: then it is that of a clock on a wall, or nobody knows."""
    texts = facts.texts
    # .NET's "never set" has none, whatever the others have.
    return facts.form is Form.INSTANT_LOCAL and texts is not None and texts.forms[facts.form] - texts.never >= ENOUGH


def _find_in_texts(texts: TextFacts) -> Iterator[Hazard]:
    forms = texts.forms.keys() - {Form.EMPTY}
    found = {
        Hazard.NUL: texts.nul,
        Hazard.LONE_SURROGATE: texts.surrogates,
        Hazard.EMPTY_TEXT: Form.EMPTY in texts.forms and forms,
        Hazard.MIXED_TIMES: forms & _DATES and len(forms) > 1,
        Hazard.SEVEN_DIGITS: any(digits >= _SEVEN for digits in texts.fractions),
        Hazard.NO_ZONE: Form.INSTANT_LOCAL in forms,
        Hazard.NEVER: texts.never,
        Hazard.NUMBERS_AND_TEXTS: forms & _NUMERIC,
        Hazard.JSON_TEXT: Form.JSON in forms,
    }
    yield from (hazard for hazard, there in found.items() if there)


def _find_in_numbers(numbers: NumberFacts) -> Iterator[Hazard]:
    if numbers.sizes.keys() & {"int64", "larger"}:
        yield Hazard.BEYOND_2_53
    if numbers.fractional and numbers.digits_before + numbers.digits_after > _DIGITS:
        yield Hazard.MANY_DIGITS
    if numbers.not_finite:
        yield Hazard.NOT_FINITE

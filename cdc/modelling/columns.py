"""Choose a column for what was seen at a path."""

import re
from dataclasses import dataclass, replace
from typing import Any

from cdc.core.conventions import Instants
from cdc.modelling.forms import INSTANTS, Form, is_amount
from cdc.modelling.naming import write_snake
from cdc.modelling.nodes import Kind
from cdc.modelling.personal import Suspicion
from cdc.modelling.profile import Facts, Hazard

# Fewer values show no rule: a property is then not required, and a text is no UUID.
ENOUGH = 10
# A text is a comma list if such a share of its values are.
_LISTS = 0.1
# PostgreSQL's numeric(p, s) takes no larger p.
_MOST_DIGITS = 1_000
_MONEY_WORDS = (
    "price amount total subtotal cost costs fee fees balance tax taxes discount salary vat shipping charge "
    "refund revenue budget paid payment credit debit deposit net gross surcharge tip commission wage turnover "
    "due"
)
_MONEY = frozenset(_MONEY_WORDS.split())
_NO_MONEY_WORDS = (
    "count time minutes seconds hours days items quantity qty number points score scores percent percentage pct "
    "rate ratio share shares cents minor pence weight distance size bytes length views likes players steps"
)
_NO_MONEY = frozenset(_NO_MONEY_WORDS.split())
# Numbers that .NET reads as decimals: their digits count.
_EXACT = frozenset(("rate", "percent", "percentage", "pct", "quantity", "qty"))
# An hourly rate is an amount, and no part of one.
_PAID_BY = frozenset(("hour", "hourly", "day", "daily", "night", "nightly", "week", "weekly", "month", "monthly"))
# Whole amounts of a currency's smallest unit, whose largest is seldom seen in a sample.
_MINOR = frozenset(("cents", "minor", "pence"))
_TIMES_WORDS = (
    "at on date time timestamp ts until since from to when expires expiry expiration created updated modified "
    "deleted seen login logout start end started ended due birth dob utc ms epoch millis occurred received sent"
)
_TIMES = frozenset(_TIMES_WORDS.split())


@dataclass(frozen=True, slots=True)
class ColumnType:
    """The type of a column: in SQL, in `mappers/tables.py`, and of the model's field.

    `given` and `stored` are an example: a document's value, and the row's value as a golden file has it. `options` are
    further marks of the field's type.
    """

    sql: str
    declared: str
    field: str
    given: Any
    stored: Any
    marks: tuple[str, ...] = ()

    @property
    def allows_none(self) -> bool:
        """Return whether the field's type has None already."""
        return self.field in ("Instant", "Day")

    @property
    def makes_none(self) -> bool:
        """Return whether a mark makes null of a value that is there."""
        return not {"EmptyAsNone", "NeverAsNone"}.isdisjoint(self.marks)

    @property
    def has_never(self) -> bool:
        """Return whether .NET's smallest and greatest time become null."""
        return bool(self.given == _WRITTEN[Instants.DOTNET][0])

    def annotate(self, *, nullable: bool) -> str:
        """Return the field's annotation."""
        inner = f"{self.field} | None" if nullable and not self.allows_none else self.field
        return f"Annotated[{inner}, {', '.join(self.marks)}]" if self.marks else inner


_UUID = "0b5c3bd4-8a0e-4b8c-9d0a-3f1e5a6b7c8d"
TEXT = ColumnType("text", "Text", "Text", "one", "one")
TEXT_OR_NUMBER = ColumnType("text", "Text", "TextOrNumber", 7, "7")
UUID = ColumnType("uuid", "Uuid", "Uuid", _UUID, _UUID)
BOOLEAN = ColumnType("boolean", "Boolean", "bool", True, True)
INTEGER = ColumnType("integer", "Integer", "WholeNumber", 7, 7)
BIGINT = ColumnType("bigint", "BigInteger", "LongNumber", 7_000_000_000, 7_000_000_000)
DOUBLE = ColumnType("double precision", "Double", "DoubleNumber", 2.5, 2.5)
# The most that a numeric without a modifier holds: 131072 digits before its point, and 16383 after it.
NUMERIC = ColumnType("numeric", "Numeric", "Annotated[Decimal, Numeric(147455, 16383)]", 4.5, 4.5)
DAY = ColumnType("date", "Date", "Day", "2026-01-09", "2026-01-09")
DURATION = ColumnType("interval", "Interval", "Duration", "01:02:03", "1:02:03")
JSON = ColumnType("jsonb", "JSONB", "JsonValue", {"key": 1}, {"key": 1})
EMBEDDED = ColumnType("jsonb", "JSONB", "EmbeddedObject", '{"key":1}', {"key": 1})
TEXTS = ColumnType("text[]", "ARRAY(Text)", "list[Text]", ["one", "two"], ["one", "two"])
DOUBLES = ColumnType("double precision[]", "ARRAY(Double)", "list[DoubleNumber]", [2.5, 0.25], [2.5, 0.25])
INTEGERS = ColumnType("integer[]", "ARRAY(Integer)", "list[WholeNumber]", [7, 8], [7, 8])
BIGINTS = ColumnType("bigint[]", "ARRAY(BigInteger)", "list[LongNumber]", [7, 8], [7, 8])
COMMAS = ColumnType("text[]", "ARRAY(Text)", "CommaList", "one,two", ["one", "two"])
_WRITTEN = {
    Instants.DOTNET: ("2026-01-09T15:20:31.8123456Z", "2026-01-09T15:20:31.812345+00:00"),
    Instants.ISO: ("2026-01-09T15:20:31Z", "2026-01-09T15:20:31+00:00"),
    Instants.EPOCH_SECONDS: (1_767_972_031, "2026-01-09T15:20:31+00:00"),
    Instants.EPOCH_MILLISECONDS: (1_767_972_031_812, "2026-01-09T15:20:31.812000+00:00"),
}
# Read as milliseconds, a number of seconds is before; so is 0.
SINCE = "Since(1971)"
_EPOCHS = {"seconds": Instants.EPOCH_SECONDS, "milliseconds": Instants.EPOCH_MILLISECONDS}


def numeric(precision: int, scale: int) -> ColumnType:
    """Return the type of a number that is never rounded."""
    of, example = f"({precision}, {scale})", 4.5 if scale else 4
    return ColumnType(f"numeric{of}", f"Numeric{of}", f"Annotated[Decimal, Numeric{of}]", example, example)


def instant(form: Instants, conventions: Instants) -> ColumnType:
    """Return the type of an instant that is written in this form, where the conventions say another or the same."""
    field = "Instant" if form is conventions else f"Annotated[datetime, Written(Instants.{form.name})]"
    return ColumnType("timestamptz", "_INSTANT", field, *_WRITTEN[form])


def find_instants(name: str, facts: Facts) -> Instants | None:
    """Return the form of a path's instants; None if there are none. .NET's form is told by its seven digits."""
    if facts.kind == "number":
        return _find_epochs(name, facts)
    if facts.kind != "string" or facts.texts is None:
        return None
    seen = {form for form in facts.texts.forms if form is not Form.EMPTY}
    if not seen & {*INSTANTS} or not seen <= {*INSTANTS, Form.DATE}:
        return None
    is_dotnet = max(facts.texts.fractions, default=0) == 7 and not facts.texts.loose
    return Instants.DOTNET if is_dotnet else Instants.ISO


def _find_epochs(name: str, facts: Facts) -> Instants | None:
    numbers = facts.numbers
    if numbers is None or numbers.fractional or not numbers.epochs:
        return None
    (unit, count), *others = numbers.epochs.items()
    if others or count < sum(numbers.sizes.values()):
        return None
    many = unit == "milliseconds" and facts.distinct is not None and facts.distinct.values >= ENOUGH
    return _EPOCHS[unit] if many or _words(name) & _TIMES else None


def choose(name: str, facts: Facts, conventions: Instants) -> ColumnType:
    """Return the type of the column for a value that is no object with columns of its own, and no child table."""
    form = find_instants(name, facts)
    # .NET's reader would refuse these.
    is_loose = facts.texts is not None and facts.texts.loose and conventions is Instants.DOTNET
    if form is not None and Suspicion.BIRTH in facts.suspicions and facts.kind == "string" and not is_loose:
        return _mark(DAY, facts, conventions)
    if form is not None:
        is_kept = is_loose or (facts.texts is not None and facts.texts.last)  # .NET's reader would make it null
        read = Instants.ISO if is_kept else conventions if _reads(conventions, form) else form
        return _mark(instant(read, conventions), facts, conventions)
    if not facts.kinds.keys() - {"null"}:
        return _guess(name, conventions)
    if facts.kind == "boolean":
        return BOOLEAN
    if facts.kind == "number":
        return _choose_number(name, facts, conventions)
    if facts.kind == "string":
        return _mark(_choose_text(name, facts), facts, conventions)
    if facts.kind == "array" and facts.items is not None and facts.items.kinds.keys() == {"string"}:
        return TEXTS
    if facts.kind == "array" and facts.items is not None and facts.items.kinds.keys() == {"number"}:
        return _choose_numbers(facts.items)
    if facts.kinds.keys() - {"null"} == {"number", "string"}:
        return _choose_for_both(name, facts, conventions)
    return JSON


def _choose_for_both(name: str, facts: Facts, conventions: Instants) -> ColumnType:
    """Choose for a property that is a number in some documents, and a text in others."""
    numbers, texts = (_keep_kind(facts, kind) for kind in ("number", "string"))
    epoch, written = find_instants(name, numbers), find_instants(name, texts)
    if epoch is not None and written is not None:
        field = f"Annotated[datetime, Written(Instants.{epoch.name}, Instants.{written.name})]"
        return _mark(replace(instant(epoch, conventions), field=field), texts, conventions)
    if _is_numeric_text(facts):
        return _choose_for_numbers_as_texts(name, facts)
    seen = facts.numbers
    is_exact = seen is not None and not (seen.fractional or seen.not_finite or seen.sizes.get("larger"))
    return TEXT_OR_NUMBER if is_exact else JSON


def _keep_kind(facts: Facts, kind: Kind) -> Facts:
    return facts.model_copy(update={"kinds": {kind: facts.kinds.get(kind, 0)}})


def _reads(conventions: Instants, form: Instants) -> bool:
    """Return whether instants of a form can be read as the conventions say; ISO says only that no .NET was seen."""
    return conventions is form or (conventions is Instants.DOTNET and form is Instants.ISO)


def _mark(type_: ColumnType, facts: Facts, conventions: Instants) -> ColumnType:
    texts, numbers = facts.texts, facts.numbers
    is_never = texts is not None and texts.never and not texts.last and conventions is Instants.DOTNET
    marks = {
        "EmptyAsNone": texts is not None and Form.EMPTY in texts.forms and type_ not in (TEXT, COMMAS, EMBEDDED),
        "NeverAsNone": is_never and type_ == DAY,
        SINCE: numbers is not None and numbers.no_times and type_.sql == "timestamptz",
    }
    return replace(type_, marks=tuple(mark for mark, is_needed in marks.items() if is_needed))


def _guess(name: str, conventions: Instants) -> ColumnType:
    """Choose for a property that was always null."""
    words = write_snake(name).split("_")
    if words[0] in ("is", "has", "can"):
        return BOOLEAN
    return instant(conventions, conventions) if words[-1] in ("at", "date", "timestamp") else TEXT


def _choose_numbers(items: Facts) -> ColumnType:
    numbers = items.numbers
    assert numbers is not None  # noqa: S101 - of the kind number
    if numbers.sizes.get("larger") or numbers.not_finite:
        return JSON
    if numbers.fractional or numbers.pointed:
        return JSON if numbers.rounded else DOUBLES
    return BIGINTS if numbers.sizes.keys() - {"int32"} else INTEGERS


def _choose_number(name: str, facts: Facts, conventions: Instants) -> ColumnType:
    numbers = facts.numbers
    assert numbers is not None  # noqa: S101 - of the kind number
    before, after = numbers.digits_before, numbers.digits_after
    if numbers.sizes.get("larger") and not numbers.fractional:
        return numeric(max(38, before), 0) if before <= _MOST_DIGITS else JSON
    if is_money(name, facts) and is_amount(before, after):
        return numeric(18, 2 if after <= 2 else 4)
    if numbers.fractional or numbers.pointed:
        is_decimal = conventions is Instants.DOTNET and _words(name) & _EXACT and after <= 4 and before <= 11
        return numeric(18, 4) if is_decimal else NUMERIC if numbers.rounded else DOUBLE
    return BIGINT if numbers.sizes.keys() - {"int32"} or _words(name) & _MINOR else INTEGER


def _choose_for_numbers_as_texts(name: str, facts: Facts) -> ColumnType:
    """Choose for numbers, some of them in texts: of the types that read both, or JSON."""
    texts, numbers = facts.texts, facts.numbers
    assert texts is not None  # noqa: S101 - of the kind string
    assert numbers is not None  # noqa: S101 - of the kind number
    if Form.DECIMAL in texts.forms or numbers.fractional:
        money = is_money(name, facts) and numbers.digits_before <= 14 and texts.longest <= 17
        return numeric(18, 2 if numbers.digits_after <= 2 else 4) if money else JSON
    fits = texts.longest <= 18 and not numbers.sizes.get("larger")
    return BIGINT if fits else numeric(38, 0) if numbers.digits_before <= 38 else JSON


def is_money(name: str, facts: Facts) -> bool:
    """Return whether a number is an amount of money with a fraction, by its name and its digits."""
    words = _words(name)
    *_, before, last = ("", *write_snake(name).split("_"))
    is_paid = last == "rate" and before in _PAID_BY
    if not is_paid and (not words & _MONEY or words & _NO_MONEY):
        return False
    numbers = facts.numbers
    if numbers is None:
        forms = set() if facts.texts is None else {*facts.texts.forms}
        few = facts.texts is not None and facts.texts.digits_after <= 4
        return few and Form.DECIMAL in forms and forms <= {Form.DECIMAL, Form.WHOLE_NUMBER, Form.EMPTY}
    whole = not numbers.fractional and not numbers.pointed
    # A fraction of one, as a rate or a share is.
    part = numbers.fractional and not numbers.digits_before and facts.present >= ENOUGH
    return numbers.digits_after <= 4 and not part and not (whole and facts.present >= ENOUGH)


def _choose_text(name: str, facts: Facts) -> ColumnType:
    texts, form = facts.texts, facts.form
    assert texts is not None  # noqa: S101 - of the kind string
    if form is Form.UUID and facts.present >= ENOUGH:
        return UUID
    if form is Form.DATE:
        return DAY
    if form is Form.DURATION:
        return DURATION
    if form is Form.JSON:
        return EMBEDDED
    if is_money(name, facts):
        return numeric(18, 2 if texts.digits_after <= 2 else 4) if texts.longest <= 15 else TEXT
    filled = sum(count for form, count in texts.forms.items() if form is not Form.EMPTY)
    lists = texts.forms.get(Form.COMMA_LIST, 0)
    many = write_snake(name).endswith("s") and not re.search("(?:ss|us|is)$", write_snake(name))
    # An amount may have a comma for its point.
    many = many and not _words(name) & _MONEY
    is_list = lists and (many or name.endswith("List")) and Hazard.MIXED_TIMES not in facts.hazards
    return COMMAS if is_list and Suspicion.ADDRESS not in facts.suspicions and lists >= _LISTS * filled else TEXT


def _is_numeric_text(facts: Facts) -> bool:
    forms = set() if facts.texts is None else set(facts.texts.forms)
    return bool(forms) and forms <= {Form.WHOLE_NUMBER, Form.DECIMAL}


def _words(name: str) -> frozenset[str]:
    return frozenset(write_snake(name).split("_"))

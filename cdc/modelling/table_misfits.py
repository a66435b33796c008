"""Say which documents of a profile do not fit the columns of tables that exist."""

import re
from collections.abc import Iterator, Mapping
from typing import TypeVar

from cdc.modelling.design import Column, Design, TableDesign
from cdc.modelling.forms import DAYS, INSTANTS, Form
from cdc.modelling.naming import quote
from cdc.modelling.nodes import Kind

_TEXT, _NUMBER, _BOTH = (
    frozenset[Kind](("string",)),
    frozenset[Kind](("number",)),
    frozenset[Kind](("string", "number")),
)
# What a field reads, by the beginning of its type.
_READS: dict[str, frozenset[Kind]] = {
    "Annotated[Decimal": _BOTH,
    "Annotated[Instant": _BOTH,
    "Annotated[datetime": _BOTH,
    "CommaList": _TEXT,
    "Day": _TEXT,
    "DoubleNumber": _NUMBER,
    "Duration": _TEXT,
    "Instant": _BOTH,
    "LongNumber": _BOTH,
    "RealNumber": _NUMBER,
    "TextOrNumber": _BOTH,
    "Text": _TEXT,
    "Uuid": _TEXT,
    "WholeNumber": _NUMBER,
    "bool": frozenset[Kind](("boolean",)),
    "list[": frozenset[Kind](("array",)),
}
# The sizes of whole numbers that a column holds.
_SIZES = {"integer": {"int32"}, "bigint": {"int32", "int53", "int64"}}
# The most digits that a real may be written with.
_REAL_DIGITS = 9
# What the texts that a field reads look like.
_FORMS: dict[str, tuple[Form, ...]] = {
    "Annotated[Decimal": (Form.WHOLE_NUMBER, Form.DECIMAL),
    "Annotated[Instant": DAYS,
    "Day": DAYS,
    "Duration": (Form.DURATION,),
    "Instant": DAYS,
    "LongNumber": (Form.WHOLE_NUMBER,),
    "Uuid": (Form.UUID, Form.UUID_HEX),
}
_Read = TypeVar("_Read")


def list_misfits(design: Design) -> Iterator[str]:
    """Return a sentence for each column that documents do not fit, or whose values are guessed."""
    for type_ in design.types:
        for table in type_.root.walk():
            for column in table.columns:
                # Of such an id the column has only a part.
                is_part = design.conventions.prefixed_ids and column.field == "id" and not table.inherited
                if column.spellings and not is_part:
                    yield from _list(table, column)


def _list(table: TableDesign, column: Column) -> Iterator[str]:
    names = table.there or (table.name,)
    name, alter = f"{'.'.join(names)}: {column.name}", f"alter table {'.'.join(map(quote, names))}"
    # Other tables may refer to a key, or it is compared by other columns.
    remedy = "correct them" if column.is_key else f"correct them, or {alter} alter {quote(column.name)} "
    for what, change in (*_list_kinds(column), *_list_texts(column), *_list_digits(column)):
        yield f"{name} {what}: documents with such are parked; {remedy}{'.' if column.is_key else f'{change};'}"
    times = 0 if column.facts.texts is None else sum(column.facts.texts.forms.get(form, 0) for form in INSTANTS)
    if column.type.field == "Day" and times:
        yield (
            f"{name} is date, but {times} values of {column.source} are times, of which only the day is stored: if the "
            f"hour matters, {alter} alter {quote(column.name)} type timestamptz;"
        )
    if "numbered=True" in column.type.field:
        first = column.type.stored[0] if isinstance(column.type.stored, list) else column.type.stored
        yield (
            f"{name} has numbers in the documents: 0 becomes {first}. Does the application number them so? If not, "
            "change the order of Choice(...) in the mapper."
        )


def _list_kinds(column: Column) -> Iterator[tuple[str, str]]:
    """Return what does not fit, and the change of a column that does."""
    facts = column.facts
    filled = facts.present - facts.kinds.get("null", 0)
    if not column.nullable and filled < facts.parents:
        yield (
            f"must not be null, but {facts.parents - filled} of {facts.parents} have no {column.source}",
            "drop not null",
        )
    none = _count_none(column)
    if not column.nullable and none:
        yield f"must not be null, but {column.source} is empty or was never set in {none}", "drop not null"
    others = sorted(facts.kinds.keys() - {"null"} - (_find(_READS, column) or facts.kinds.keys()))
    if others:
        change = f"type jsonb using to_jsonb({quote(column.name)})"
        yield f"is {column.type.sql}, but {column.source} has values of the kind {' and '.join(others)}", change


def _count_none(column: Column) -> int:
    """Return how many texts the field reads as null."""
    texts, type_ = column.facts.texts, column.type
    if texts is None:
        return 0
    empty = texts.forms.get(Form.EMPTY, 0) if "EmptyAsNone" in type_.marks else 0
    return empty + (texts.never if type_.has_never else 0)


def _list_texts(column: Column) -> Iterator[tuple[str, str]]:
    texts, forms = column.facts.texts, _find(_FORMS, column)
    if texts is None:
        return
    odd = sum(count for form, count in texts.forms.items() if form not in (*(forms or texts.forms), Form.EMPTY))
    if odd:
        yield f"is {column.type.sql}, but {odd} values of {column.source} are other texts", "type text"
    length = re.fullmatch(r"(?:String|CHAR)\((\d+)\)", column.type.declared)
    if length is not None and texts.longest > int(length[1]):
        yield f"takes {length[1]} characters, but {column.source} has up to {texts.longest}", "type text"


def _list_digits(column: Column) -> Iterator[tuple[str, str]]:
    numbers, type_ = column.facts.numbers, column.type
    if numbers is None:
        return
    seen = f"{column.source} has up to {numbers.digits_before} and {numbers.digits_after}"
    fractions = f"is {type_.sql}, but {numbers.fractional} values of {column.source} have a fraction"
    if numbers.fractional and type_.field in ("WholeNumber", "LongNumber"):
        yield fractions, "type numeric"
    elif numbers.sizes.keys() - _SIZES.get(type_.sql, numbers.sizes.keys()):
        yield f"is {type_.sql}, but {column.source} has numbers of {numbers.digits_before} digits", "type numeric"
    if numbers.fractional and type_.field == "TextOrNumber":
        yield fractions, f"type jsonb using to_jsonb({quote(column.name)})"
    if numbers.rounded and type_.field in ("DoubleNumber", "RealNumber"):
        yield f"is {type_.sql}, which would round {numbers.rounded} values of {column.source}", "type numeric"
    elif numbers.digits_before + numbers.digits_after > _REAL_DIGITS and type_.field == "RealNumber":
        yield f"takes {_REAL_DIGITS} digits before and after the point, but {seen}", "type double precision"
    declared = re.fullmatch(r"Numeric\((\d+), (-?\d+)\)", type_.declared)
    if declared is None:
        return
    before, after = int(declared[1]) - int(declared[2]), max(0, int(declared[2]))
    if numbers.digits_before > before or numbers.digits_after > after:
        yield f"takes {before} digits before the point and {after} after it, but {seen}", "type numeric"


def _find(fields: Mapping[str, _Read], column: Column) -> _Read | None:
    return next((each for field, each in fields.items() if column.type.field.startswith(field)), None)

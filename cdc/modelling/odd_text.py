"""Say on the page what odd values do: which are parked, and which have decided a column's type."""

from collections.abc import Iterable, Iterator, Mapping

from cdc.modelling.columns import DOUBLE, JSON, NUMERIC, TEXT, ColumnType, is_money
from cdc.modelling.design import Column, TableDesign, TypeDesign
from cdc.modelling.forms import INSTANTS, Form
from cdc.modelling.profile import Facts

_ROUNDED = {"numeric(18, 2)": 2, "numeric(18, 4)": 4}
# What most texts are, where they would have a column of their own.
_FORMS = {Form.UUID: "ids", Form.DATE: "days", Form.DURATION: "durations"} | dict.fromkeys(INSTANTS, "times")
_MOST = 0.8


def list_odd(type_: TypeDesign) -> Iterator[str]:
    """Say which values do not fit: seen ones, and those of numbers that are never rounded."""
    parked = [*_list_values(type_), *_list_keys(type_)]
    if parked:
        yield "Documents with one of these odd values, of another kind or form than nearly all others, are parked."
        yield "`plan --json` says which they are: correct them in Cosmos DB, or let the model read both."
        yield ""
        yield from (f"- **{what}: at most {_count(documents)} will be parked**" for what, documents in parked)
        yield ""
    scales = {column.type.sql for table in type_.root.walk() for column in table.columns} & {*_ROUNDED}
    for sql in sorted(scales):
        yield f"`{sql}` never rounds: a number with more than {_ROUNDED[sql]} digits after its point is parked."
        yield ""
    yield from _list_decided(column for table in type_.root.walk() for column in table.columns)


def _list_values(type_: TypeDesign) -> Iterator[tuple[str, int]]:
    types = {id(column.facts): column.type for table in type_.root.walk() for column in table.columns}
    for path, facts in type_.facts.walk():
        odd = facts.odd - _count_read(types.get(id(facts)), facts.odd_numbers)
        if odd > 0:
            yield code(path), odd


def _count_read(type_: ColumnType | None, numbers: Mapping[Form, int]) -> int:
    """Return how many odd values are numbers that the field reads although they are texts, or the other way round."""
    if type_ is not None and type_.sql in _ROUNDED:
        return sum(numbers.values())
    return numbers.get(Form.WHOLE_NUMBER, 0) if type_ is not None and type_.field == "LongNumber" else 0


def _list_keys(type_: TypeDesign) -> Iterator[tuple[str, int]]:
    """Name keys of items that repeat in an array of a document."""
    paths = {id(facts): path for path, facts in type_.facts.walk()}
    for table, facts in walk_arrays(type_.root, type_.facts):
        arrays = facts.arrays
        key = [column.source for column in table.columns if column.is_key and column.spellings]
        if arrays is not None and arrays.repeating and key == [arrays.item_key]:
            yield f"{code(f'{paths[id(facts)]}[].{arrays.item_key}')}, which repeats in an array", arrays.repeating


def walk_arrays(table: TableDesign, facts: Facts) -> Iterator[tuple[TableDesign, Facts]]:
    """Return the tables below one, each with the facts of the array that it is for."""
    for child in table.children:
        array = facts.fields.get(child.source)
        if array is not None:
            yield child, array
            if array.items is not None:
                yield from walk_arrays(child, array.items)


def _list_decided(columns: Iterable[Column]) -> Iterator[str]:
    reasons = [(column, reason) for column in columns if column.spellings and (reason := _explain(column))]
    if reasons:
        yield "Odd values have decided these types. If they are mistakes, correct them and profile again:"
        yield ""
        yield from (f"- {code(column.name)} is `{column.type.sql}`: {reason}." for column, reason in reasons)
        yield ""


def _explain(column: Column) -> str | None:
    """Return which odd values have decided a column's type, or None."""
    facts = column.facts
    kinds = {kind: count for kind, count in facts.kinds.items() if kind != "null"}
    if column.type == JSON and len(kinds) > 1:
        return f"its values have several types ({', '.join(f'{count} {kind}' for kind, count in kinds.items())})"
    if column.type in (DOUBLE, NUMERIC):
        return _explain_amounts(column.source, facts)
    return _explain_texts(facts) if column.type == TEXT else None


def _explain_amounts(name: str, facts: Facts) -> str | None:
    numbers = facts.numbers
    if numbers is None or not numbers.amounts:
        return None
    total, kept = sum(numbers.sizes.values()) + numbers.fractional, sum(numbers.amounts.values())
    few = facts.model_copy(update={"numbers": numbers.model_copy(update={"digits_after": 2})})
    if kept == total or not is_money(name, few):
        return None
    return f"{total - kept} of {total} amounts have more digits than `numeric(18, 4)` takes"


def _explain_texts(facts: Facts) -> str | None:
    filled = {} if facts.texts is None else {form: n for form, n in facts.texts.forms.items() if form is not Form.EMPTY}
    form = max(filled, key=lambda each: filled[each], default=None)
    total = sum(filled.values())
    if form not in _FORMS or filled[form] == total or filled[form] < _MOST * total:
        return None
    return f"{filled[form]} of {total} texts are {_FORMS[form]}, and the others are not"


def _count(documents: int) -> str:
    return "1 document" if documents == 1 else f"{documents} documents"


def code(name: str) -> str:
    """Return a property's name as code that ends neither the code nor a table's cell."""
    escaped = " ".join(name.split()).replace("`", "'").replace("|", r"\|")
    return f"`{escaped}`"

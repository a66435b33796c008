"""Write a type's module: its models and its mapper, and the module of conventions."""

import re
from collections.abc import Iterator, Sequence

from cdc.core.conventions import ANYTHING, Conventions, DeleteMark
from cdc.modelling.design import Column, Design, Part, TableDesign, TypeDesign
from cdc.modelling.imports import OURS, STANDARD
from cdc.modelling.layout import WIDTH, wrap_call, write_call, write_docstring, write_imports, write_text
from cdc.modelling.naming import singular

# Names of the loops over arrays inside each other.
_LOOPS = ("document", "item", "inner", "innermost")


def write_module(design: Design, type_: TypeDesign) -> str:
    """Return the module of a type."""
    rules = design.conventions
    models = [_write_models(table, rules, type_ if table is type_.root else None) for table in _bottom_up(type_.root)]
    row_functions = [text for table in type_.root.children for text in _write_row_functions(table, (type_.root,))]
    body = "\n\n\n".join([*models, _write_map(type_), *row_functions, _write_mapper(design, type_)])
    homes = dict.fromkeys(("Document", "Part"), f"mappers.{design.home}")
    head = write_docstring(f"{type_.root.class_name}: documents of the container {design.container}, as rows.")
    imports = [*write_imports(body, STANDARD), "", *write_imports(body, OURS | homes)]
    return "\n".join([head, "", *(imports if imports[0] else imports[1:]), "", "", body, ""])


def _bottom_up(table: TableDesign) -> Iterator[TableDesign]:
    for child in table.children:
        yield from _bottom_up(child)
    yield table


def _write_models(table: TableDesign, conventions: Conventions, type_: TypeDesign | None) -> str:
    """Return the models of a table's parts, and that of its documents or items."""
    parts = [text for part in table.parts for text in _write_part_models(part, conventions)]
    what = f"A document of the type {type_.type_name}." if type_ else f"An item of `{table.source}`."
    head = f"class {table.class_name}({'Document' if type_ else 'Part'}):"
    name = type_.type_name if type_ and type_.type_name != table.class_name else ""
    fields = list(_write_fields(table, conventions, is_document=type_ is not None))
    return "\n\n\n".join([*parts, _write_model(head, what, table.unmapped, fields, name)])


def _write_part_models(part: Part, conventions: Conventions) -> Iterator[str]:
    """Return the model of an object, after those of the objects inside it."""
    for inner in part.parts:
        yield from _write_part_models(inner, conventions)
    fields = [_write_column(column, conventions) for column in part.own_columns]
    fields += [_write_part(inner, conventions) for inner in part.parts]
    yield _write_model(f"class {part.class_name}(Part):", f"The object `{part.source}`.", part.unmapped, fields)


def _write_model(head: str, what: str, unmapped: Sequence[str], fields: Sequence[str], type_name: str = "") -> str:
    variables = [f"    type_name = {write_text(type_name)}"] if type_name else []
    if unmapped:
        variables.append(write_call("unmapped = (", [write_text(each) for each in sorted(unmapped)], ")", 4))
    blocks = [[head, write_docstring(what, 4)], variables, fields]
    return "\n\n".join("\n".join(block) for block in blocks if block)


def _write_fields(table: TableDesign, conventions: Conventions, *, is_document: bool) -> Iterator[str]:
    for column in table.columns:
        if column.part is not None or not column.spellings:
            continue
        if is_document and column.field == "id":  # every document has it, under all names of the key
            yield from () if column.type.field == "Text" else [f"    id: {column.type.annotate(nullable=False)}"]
        else:
            yield _write_column(column, conventions)
    for part in table.parts:
        yield _write_part(part, conventions)
    for child in table.children:
        type_ = f"Annotated[list[{child.class_name}], NoneAsEmpty]"
        yield _write_field(child.field, type_, child.spellings, conventions, "[]")


def _write_column(column: Column, conventions: Conventions) -> str:
    annotation = column.type.annotate(nullable=column.nullable)
    return _write_field(column.field, annotation, column.spellings, conventions, "None" if column.nullable else "")


def _write_part(part: Part, conventions: Conventions) -> str:
    type_, default = (f"{part.class_name} | None", "None") if part.nullable else (part.class_name, "")
    return _write_field(part.field, type_, part.spellings, conventions, default)


def _write_field(field: str, type_: str, spellings: Sequence[str], conventions: Conventions, default: str) -> str:
    """Declare a field: its default, and its property's names where the conventions make another one."""
    before, value = f"{field}: {type_}", default
    names = [*map(write_text, spellings), *([f"default={default}"] if default else [])]
    is_renamed = list(spellings) != [conventions.naming.write(field)]
    if is_renamed:
        value = f"renamed({', '.join(names)})"
    line = f"    {before} = {value}" if value else f"    {before}"
    choice = re.fullmatch(r"Annotated\[str, (Choice\(.*?\))\](.*)", type_)
    if len(line) <= WIDTH:
        return line
    if choice is not None:
        broken = f"    {field}: Annotated[\n        str,\n{wrap_call(choice[1], 8, ',')}\n    ]{choice[2]}"
        return f"{broken} = {value}" if value else broken
    return write_call(f"{before} = renamed(", names, ")", 4) if is_renamed else line


def _write_map(type_: TypeDesign) -> str:
    root = type_.root
    lines = [
        write_call(f"def map_{singular(root.name)}(", [f"document: {root.class_name}"], ") -> Rows:"),
        write_docstring("Return the rows of a document." if root.children else "Return a document's row.", 4),
        "    return Rows(",
        "        root={",
        *(_write_entry(column.name, _read(column, "document"), 12) for column in root.all_columns),
        "        },",
    ]
    if root.children:
        children = [text for child in root.children for text in _write_children(child, (root,))]
        lines += ["        children={", *children, "        },"]
    return "\n".join([*lines, "    )"])


def _write_children(table: TableDesign, above: Sequence[TableDesign]) -> Iterator[str]:
    chain = (*above, table)
    positions = _name_positions(chain)
    call = f"_{singular(table.name)}_row({', '.join(_list_arguments(chain))})"
    loops = [
        f"for {positions[place]}, {_LOOPS[place]} in enumerate({_LOOPS[place - 1]}.{each.field})"
        if place in positions
        else f"for {_LOOPS[place]} in {_LOOPS[place - 1]}.{each.field}"
        for place, each in enumerate(chain)
        if place
    ]
    name = write_text(table.sql_name)
    line = f"            {name}: [{call} {' '.join(loops)}],"
    if len(line) <= WIDTH:
        yield line
    else:
        inner = f"{call} {' '.join(loops)}"
        yield f"            {name}: ["
        yield from (f"                {part}" for part in ([inner] if len(inner) <= WIDTH - 16 else (call, *loops)))
        yield "            ],"
    for child in table.children:
        yield from _write_children(child, chain)


def _write_row_functions(table: TableDesign, above: Sequence[TableDesign]) -> Iterator[str]:
    chain = (*above, table)
    classes = {_LOOPS[place]: each.class_name for place, each in enumerate(chain)}
    parameters = [f"{name}: {classes.get(name, 'int')}" for name in _list_arguments(chain)]
    yield "\n".join(
        [
            write_call(f"def _{singular(table.name)}_row(", parameters, ") -> Row:"),
            "    return {",
            *(_write_entry(name, value, 8) for name, value in _list_values(chain)),
            "    }",
        ]
    )
    for child in table.children:
        yield from _write_row_functions(child, chain)


def _name_positions(chain: Sequence[TableDesign]) -> dict[int, str]:
    """Return what the places in arrays are called, by the places of those tables that have them in their keys."""
    last = len(chain) - 1
    named = ((place, "position" if place == last else f"{_LOOPS[place]}_position") for place in range(len(chain)))
    return {place: name for place, name in named if chain[place].has_position}


def _list_arguments(chain: Sequence[TableDesign]) -> list[str]:
    """Return what the row of the last table is made of: documents, items and places."""
    used = {re.split(r"\W", value, maxsplit=1)[0] for _, value in _list_values(chain)}
    return [name for name in (*_LOOPS[: len(chain)], *_name_positions(chain).values()) if name in used]


def _list_values(chain: Sequence[TableDesign]) -> list[tuple[str, str]]:
    """Return the columns of the last table, each with what fills it."""
    table, positions = chain[-1], _name_positions(chain)
    inherited = [_read(column, _LOOPS[place], positions.get(place, "")) for column, place in _find_owners(chain)]
    own = [column for column in table.all_columns if column not in table.inherited]
    return [
        *zip((column.name for column in table.inherited), inherited, strict=True),
        *((column.name, _read(column, _LOOPS[len(chain) - 1], "position")) for column in own),
    ]


def _find_owners(chain: Sequence[TableDesign]) -> list[tuple[Column, int]]:
    """Return the columns of the key that come from above, each with the place of its table."""
    return [(column, place) for place, each in enumerate(chain[:-1]) for column in each.columns if column.is_key]


def _write_entry(name: str, value: str, indent: int) -> str:
    space = " " * indent
    line = f"{space}{write_text(name)}: {value},"
    if len(line) <= WIDTH:
        return line
    parts = [value] if len(value) + indent + 4 <= WIDTH else re.split(" (?=if |else )", value)
    return "\n".join([f"{space}{write_text(name)}: (", *(f"{space}    {part}" for part in parts), f"{space}),"])


def _read(column: Column, owner: str, position: str = "") -> str:
    if not column.spellings:
        return position
    if column.part is None:
        return f"{owner}.{column.field}"
    value = f"{owner}.{column.part}.{column.field}"
    there = " and ".join(f"{owner}.{path}" for path in column.optional)
    return f"{value} if {there} else None" if there else value


def _write_mapper(design: Design, type_: TypeDesign) -> str:
    names = [f"tables.{table.name}" for table in type_.root.walk()]
    return "\n".join(
        [
            f"{type_.variable} = Mapper(",
            f"    container={write_text(design.container)},",
            f"    reader=DocumentReader({type_.root.class_name}),",
            write_call("tables=(", names, "),", 4),
            f"    rows=map_{singular(type_.root.name)},",
            ")",
        ]
    )


def write_conventions(design: Design) -> str:
    """Return the module with the conventions of a container."""
    found = design.conventions
    values = [f"naming=Naming.{found.naming.name}", f"instants=Instants.{found.instants.name}"]
    if found.type_properties:
        values.append(write_call("type_properties=(", [write_text(each) for each in found.type_properties], ")"))
    if found.key != "id":
        values.append(f"key={write_text(found.key)}")
    if found.prefixed_ids:
        values.append("prefixed_ids=True")
    if found.delete_mark is not None:
        values.append(write_mark(found.delete_mark))
    if found.secrets.names:
        names = [write_text(each) for each in sorted(found.secrets.names)]
        values.append(write_call("secrets=Secrets(frozenset({", names, "}))", 4).strip())
    name = design.home.removesuffix("_conventions").upper()
    body = "\n".join(
        [
            f"{name} = Conventions(",
            *(f"    {value}," for value in values),
            ")",
            *_write_base("Document", "RootDocument", "A whole document.", name),
            *_write_base("Part", "DocumentModel", "An object inside a document.", name),
        ]
    )
    head = write_docstring(f"How the documents of the container {design.container} are written.")
    return "\n".join([head, "", *write_imports(body, OURS), "", body, ""])


def write_mark(mark: DeleteMark) -> str:
    """Return the mark of deletion as the conventions have it."""
    value = ", ANYTHING" if mark.value is ANYTHING else ""
    return f"delete_mark=DeleteMark({write_text(mark.property)}{value})"


def _write_base(name: str, base: str, what: str, conventions: str) -> list[str]:
    return ["", "", f"class {name}({base}):", write_docstring(what, 4), "", f"    conventions = {conventions}"]

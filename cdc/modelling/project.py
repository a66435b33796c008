"""Put what was designed into the project; what somebody has edited is left as it is."""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from cdc.core.errors import RequestError
from cdc.modelling.design import Design, TableDesign
from cdc.modelling.golden_text import write_golden
from cdc.modelling.layout import TEXT, write_call, write_import, write_text
from cdc.modelling.module_text import write_conventions, write_module
from cdc.modelling.naming import RESERVED, Taken, write_snake
from cdc.modelling.page_text import write_page
from cdc.modelling.tables_text import write_migration, write_table

_SQLALCHEMY = frozenset(
    (
        *("ARRAY", "BigInteger", "Boolean", "CHAR", "Date", "DateTime", "Double", "Integer", "Interval", "Numeric"),
        *("REAL", "SmallInteger", "String", "Text", "Uuid"),
    )
)
_POSTGRESQL = frozenset(("ENUM", "JSONB", "TIMESTAMP"))
_IMPORT = r"^from {} import (?:\((?P<lines>[^)]*)\)|(?P<line>[^\n(]*))$"
# The list of mappers, if nothing but names stands in it.
_EXTRA = re.compile(r"^(EXTRA_MAPPERS\b[^=\n]*= )\(([\w\s,]*)\)$", re.MULTILINE)


def find_taken(folder: Path, container: str) -> Taken:
    """Return the names that the mappers of other containers have."""
    texts = {path.stem: path.read_text(encoding="utf-8") for path in (folder / "mappers").glob("*.py")}
    package = texts.pop("__init__", "")
    ours = {name for name, text in texts.items() if f"container={write_text(container)}" in text}
    others = [text for name, text in texts.items() if name not in ours]
    conventions = {f"{write_snake(container)}_conventions", *_find_imported(texts[name] for name in ours)}
    modules = texts.keys() - ours - (conventions - _find_imported(others))
    # The name of a mapper must not be another of the package.
    names = {name.lower() for name in re.findall(r"^[A-Z_]+\b", package, re.MULTILINE)}
    tables = {table for text in others for table in re.findall(r"\btables\.(\w+)", text)}
    return Taken({*RESERVED, *modules, *names}, {*RESERVED, *tables})


def _find_imported(texts: Iterable[str]) -> set[str]:
    return {module for text in texts for module in re.findall(r"^from mappers\.(\w+) import", text, re.MULTILINE)}


def write_project(design: Design, folder: Path) -> Iterator[str]:
    """Write everything into the project in a folder; return a line about each file."""
    if not (folder / "mappers" / "tables.py").is_file():
        raise RequestError("There is no mappers/tables.py here: run this in the folder of the project.")
    mappers = folder / "mappers"
    if design.has_own_conventions:
        yield _write(folder, f"mappers/{design.home}.py", write_conventions(design))
    several = len(design.types) > 1
    for type_ in design.types:
        yield _write(folder, f"mappers/{type_.module}.py", write_module(design, type_))
        name = f"{design.container}.{type_.type_name}" if several else design.container
        if (folder / "tests" / "golden").is_dir():
            yield _write(folder, f"tests/golden/{name}.json", write_golden(design, type_))
    yield from _add_tables(design, mappers / "tables.py")
    yield from _register(design, mappers / "__init__.py")
    there = [table for type_ in design.types for table in type_.root.walk() if table.there is not None]
    if there:
        yield f"none     no migration: {', '.join(table.sql_name for table in there)} exist already"
    else:
        yield _write_migration(folder, design)
    yield _write(folder, f"docs/containers/{design.container}.md", write_page(design))


def _write(folder: Path, name: str, text: str) -> str:
    path = folder / name
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return f"written  {name}"
    if path.read_text(encoding="utf-8") == text:
        return f"same     {name}"
    path.with_name(f"{path.name}.new").write_text(text, encoding="utf-8")
    return f"left     {name}: it is there already; what init would write now is in {path.name}.new"


def _write_migration(folder: Path, design: Design) -> str:
    home = folder / "sql" / "application"
    home.mkdir(parents=True, exist_ok=True)
    name = f"{design.types[0].module if len(design.types) == 1 else write_snake(design.container)}.sql"
    there = [path for path in home.glob("*.sql") if re.fullmatch(rf"\d{{4}}_{re.escape(name)}", path.name)]
    last = max((int(path.name[:4]) for path in home.glob("*.sql")), default=0)
    file = there[0].name if there else f"{last + 1:04}_{name}"
    return _write(folder, f"sql/application/{file}", write_migration(design))


def _add_tables(design: Design, path: Path) -> Iterator[str]:
    text = path.read_text(encoding="utf-8")
    added: list[TableDesign] = []
    for table in (table for type_ in design.types for table in type_.root.walk()):
        if re.search(rf"^{table.name} = Table\(", text, re.MULTILINE):
            if write_table(table) not in text:
                yield f"left     mappers/tables.py: it has another table {table.name} already"
        else:
            added.append(table)
    if not added:
        yield "same     mappers/tables.py"
        return
    new = "\n".join(write_table(table) for table in added)
    declared = " ".join(column.type.declared for table in added for column in table.all_columns)
    used = set(re.findall(r"\w+", re.sub(TEXT, "", declared)))
    used |= {"DateTime"} if "_INSTANT" in used else set()
    text = _import(text, "sqlalchemy", {"Column", "Table", *(_SQLALCHEMY & used)})
    if _POSTGRESQL & used:
        text = _import(text, "sqlalchemy.dialects.postgresql", set(_POSTGRESQL & used))
    if "_INSTANT" in used and not re.search(r"^_INSTANT = ", text, re.MULTILINE):
        found = re.search(r"^_METADATA = .*\n", text, re.MULTILINE)
        place = found.end() if found else len(text)
        text = f"{text[:place]}_INSTANT = DateTime(timezone=True)\n{text[place:]}"
    path.write_text(f"{text.rstrip()}\n\n{new}", encoding="utf-8")
    yield f"added    {', '.join(table.name for table in added)} in mappers/tables.py"


def _import(text: str, module: str, names: set[str]) -> str:
    """Return a module's text that imports these names, too."""
    found = re.search(_IMPORT.format(re.escape(module)), text, re.MULTILINE)
    if found is None:
        return _insert_import(text, module, write_import(module, names))
    there = re.findall(r"\w+", found["lines"] or found["line"] or "")
    return text[: found.start()] + write_import(module, {*there, *names}) + text[found.end() :]


def _insert_import(text: str, module: str, line: str) -> str:
    """Put an import where ruff would have it, after the last one that sorts before it."""
    imports = list(re.finditer(r"^from (\S+) import (?:\([^)]*\)|[^\n(]*)\n", text, re.MULTILINE))
    first = module.partition(".")[0]
    ours = [each for each in imports if each[1].partition(".")[0] in (first, "cdc")]
    before = [each for each in ours if each[1] < module]
    place = before[-1].end() if before else ours[0].start() if ours else imports[-1].end() if imports else 0
    return f"{text[:place]}{line}\n{text[place:]}"


def _register(design: Design, path: Path) -> Iterator[str]:
    text = path.read_text(encoding="utf-8")
    there = set(re.findall(r"^from mappers\.(\w+) import ", text, re.MULTILINE))
    new = [type_ for type_ in design.types if type_.module not in there]
    found = _EXTRA.search(text)
    if not new:
        yield "same     mappers/__init__.py"
        return
    if found is None:
        yield "left     mappers/__init__.py: it has no EXTRA_MAPPERS; add the mappers to its list yourself"
        return
    names = re.findall(r"\w+", found[2])
    listed = write_call(f"{found[1]}(", [*names, *(type_.variable for type_ in new)], ")")
    text = text[: found.start()] + listed + text[found.end() :]
    for type_ in new:
        module = f"mappers.{type_.module}"
        text = _insert_import(text, module, write_import(module, [type_.variable]))
    path.write_text(text, encoding="utf-8")
    yield f"added    {', '.join(type_.variable for type_ in new)} in mappers/__init__.py: EXTRA_CONTAINERS turns it on"

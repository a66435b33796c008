"""Code that `init` would write, run in this process."""

import json
import sys
from types import ModuleType

from cdc.core.mapper_groups import by_container
from cdc.core.writes import map_change
from cdc.modelling.golden_text import write_golden
from cdc.modelling.module_text import write_conventions, write_module
from cdc.modelling.plan import Plan
from cdc.modelling.rule_check import RuleCheck
from cdc.modelling.tables_text import write_table
from tests.builders import a_change, by_column
from tests.golden import parse
from tests.unit.mappers.test_golden import write

_TABLES = """
from sqlalchemy import *
from sqlalchemy.dialects.postgresql import JSONB
_METADATA, _INSTANT = MetaData(), DateTime(timezone=True)
"""


def load(monkeypatch, designed):
    """Return the mappers of a design, by their type."""
    package, tables = ModuleType("mappers"), ModuleType("mappers.tables")
    declared = [write_table(table) for type_ in designed.types for table in type_.root.walk()]
    exec("\n".join([_TABLES, *declared]), vars(tables))
    package.tables = tables
    monkeypatch.setitem(sys.modules, "mappers", package)
    _run(monkeypatch, designed.home, write_conventions(designed))
    loaded = {}
    for each in designed.types:
        module = _run(monkeypatch, each.module, write_module(designed, each))
        loaded[each.type_name] = getattr(module, each.variable)
    return loaded


def _run(monkeypatch, name, text):
    module = ModuleType(f"mappers.{name}")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    exec(compile(text, f"{name}.py", "exec"), vars(module))
    return module


def check_golden(designed, mappers):
    """Every golden case must become what its file says; return how many there are."""
    cases = {}
    for type_ in designed.types:
        bases, others = parse(write_golden(designed, type_))
        for name, case in (bases | others).items():
            found = map_change(mappers[type_.type_name], a_change(container="Things", body=case.document))
            assert _describe(mappers[type_.type_name], found) == case.expected, name
            cases[type_.type_name, name] = case
    return cases


def _describe(mapper, found):
    if found.problem is not None:
        problem = found.problem
        return {"problem": f"{problem.kind} {problem.path}: {problem.message}"}
    rows = by_column(mapper, found.rows)
    seen = [f"{each.kind} {each.path}" for each in found.rows.observations]
    if found.rows.unmapped_type is not None:
        seen.append(f"unmapped {found.rows.unmapped_type}")
    return json.loads(json.dumps({"root": rows.root, "children": rows.children, "observations": seen}, default=write))


def plan(mappers, documents):
    """Plan documents; return what would be parked or left out, and the keys that are not unique."""
    (mapper,) = by_container(list(mappers.values()))
    check = RuleCheck([mapper])
    found = Plan(mapper, check)
    for number, document in enumerate(documents):
        found.see(document, number)
    return [*found.refusals, *found.unmapped, *found.list_unread(), *check.find_breaches([])[0]]

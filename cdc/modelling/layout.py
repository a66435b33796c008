"""Lay out Python as ruff does, with lines of at most 120 characters."""

import json
import re
import textwrap
from collections.abc import Iterable, Sequence

WIDTH = 120
TEXT = r""""(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'"""
_TEXTS = re.compile(rf'""".*?"""|{TEXT}', re.DOTALL)


def write_text(value: str) -> str:
    """Return a text as Python has it: between those quotes of which there are fewer inside."""
    text = json.dumps(value, ensure_ascii=False)
    if value.count('"') <= value.count("'"):
        return text
    single = text[1:-1].replace('\\"', '"').replace("'", "\\'")
    return f"'{single}'"


def write_call(before: str, items: Sequence[str], after: str, indent: int = 0) -> str:
    """Return `before(items)after` in one line, or with one item a line; one line ends as a tuple of one does."""
    space = " " * indent
    opening = before[-1]
    one = "," if opening == "(" and len(items) == 1 and not re.search(r"\w\($", before) else ""
    line = f"{space}{before}{', '.join(items)}{one}{after}"
    if len(line) <= WIDTH and not any("\n" in item for item in items):
        return line
    return "\n".join([f"{space}{before}", *(f"{space}    {item}," for item in items), f"{space}{after}"])


def wrap_call(text: str, indent: int, after: str = "") -> str:
    """Return a call whose arguments are texts and names, in one line if it fits."""
    before, _, arguments = text.partition("(")
    items = re.findall(rf"(?:\w+=)?(?:{TEXT}|\w+)", arguments)
    return write_call(f"{before}(", items, f"){after}", indent)


def write_docstring(text: str, indent: int = 0) -> str:
    """Return a docstring; a long one goes on after an empty line, sentence by sentence."""
    space = " " * indent
    text = json.dumps(text, ensure_ascii=False)[1:-1].replace('\\"', '"').replace('"""', '\\"\\"\\"')
    if len(text) + indent + 6 <= WIDTH:
        return f'{space}"""{text}"""'
    first, _, rest = text.partition(". ")
    wrapped = textwrap.wrap(rest, WIDTH - indent, break_on_hyphens=False)
    return "\n".join([f'{space}"""{first}.', "", *(f"{space}{line}" for line in wrapped), f'{space}"""'])


def write_imports(text: str, modules: dict[str, str]) -> list[str]:
    """Return the imports of all names that a text uses; `modules` says where each is from."""
    used = set(re.findall(r"[A-Za-z_]\w*", _TEXTS.sub("", text)))
    by_module: dict[str, list[str]] = {}
    for name in sorted(used & modules.keys()):
        by_module.setdefault(modules[name], []).append(name)
    return [write_import(module, names) for module, names in sorted(by_module.items())]


def write_import(module: str, names: Iterable[str]) -> str:
    """Return an import, its names in ruff's order: constants, classes, functions."""
    ordered = sorted(set(names), key=lambda name: (0 if name.isupper() else 1 if name[0].isupper() else 2, name))
    line = f"from {module} import {', '.join(ordered)}"
    if len(line) <= WIDTH:
        return line
    return "\n".join([f"from {module} import (", *(f"    {name}," for name in ordered), ")"])

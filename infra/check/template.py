"""All files of the template, and what an expression in them can be."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import cached_property
from pathlib import Path
from typing import Any

from tree_sitter import Node

from infra.check.syntax import BicepFile, Declaration, arguments, children, properties, string_value, text

ROOT = Path(__file__).parents[2]

_STRINGS = (
    "guid", "newGuid", "string", "toLower", "toUpper", "uniqueString", "substring", "subscriptionResourceId", "format",
    "join", "loadTextContent", "replace",
)  # fmt: skip
_FUNCTIONS = dict.fromkeys(_STRINGS, "string") | {
    "length": "int", "min": "int", "max": "int", "contains": "bool", "empty": "bool",
    "split": "array", "flatten": "array", "range": "array",
}  # fmt: skip
_PYTHON = {str: "string", bool: "bool", int: "int", float: "int", list: "array", dict: "object"}


@dataclass(frozen=True, slots=True)
class Shape:
    """What an expression can be: a literal, a node of an object or array, or only a type; `kind` is None if unknown."""

    kind: str | None
    literal: Any = None
    node: Node | None = None
    # Whether other parts may add properties or members.
    partial: bool = False
    known: bool = False


@dataclass(frozen=True)
class Template:
    """The files below a folder, `main.bicep` first."""

    folder: Path

    @cached_property
    def files(self) -> dict[Path, BicepFile]:
        """Return the files by path."""
        paths = sorted(self.folder.rglob("*.bicep"))
        return {path.resolve(): BicepFile(path, f"infra/{path.relative_to(self.folder)}") for path in paths}

    @cached_property
    def main(self) -> BicepFile:
        """Return the file that is deployed."""
        return self.files[(self.folder / "main.bicep").resolve()]

    def module_file(self, file: BicepFile, module: Declaration) -> BicepFile | None:
        """Return the file of a module, if it exists."""
        return self.files.get((file.path.parent / module.literal).resolve())

    def resources(self) -> Iterator[tuple[BicepFile, Declaration, str, str]]:
        """Return every resource with its type and version."""
        for file in self.files.values():
            for each in file.of_kind("resource"):
                kind, _, version = each.literal.partition("@")
                yield file, each, kind, version

    def resource(self, kind: str) -> tuple[BicepFile, Declaration] | None:
        """Return the one resource of a type that is made, if there is one."""
        return next(
            ((file, each) for file, each, found, _ in self.resources() if found == kind and not each.existing), None
        )


@dataclass(frozen=True)
class Scope:
    """The names that an expression may use, and what they can be."""

    template: Template
    file: BicepFile
    # Loop variables and parameters of lambdas: what they can be.
    local: Mapping[str, list[Shape]] = field(default_factory=dict)

    def shapes(self, node: Node) -> list[Shape]:
        """Return everything that an expression can be, as far as it is known."""
        read = {
            "string": self._string,
            "number": lambda node: [_literal(int(text(node)))],
            "boolean": lambda node: [_literal(text(node) == "true")],
            "object": lambda node: [Shape("object", node=node)],
            "array": lambda node: [Shape("array", node=node)],
            "for_statement": lambda node: [Shape("array", node=node)],
            "ternary_expression": lambda node: [each for branch in children(node)[1:] for each in self.shapes(branch)],
            "parenthesized_expression": lambda node: self.shapes(children(node)[0]),
            "identifier": lambda node: self._named(text(node)),
            "member_expression": self._member,
            "call_expression": self._call,
        }.get(node.type)
        return [Shape(None)] if read is None else read(node)

    def _string(self, node: Node) -> list[Shape]:
        value = string_value(node)
        return [Shape("string") if value is None else _literal(value)]

    def items(self, shape: Shape) -> "list[tuple[Scope, Node]]":
        """Return the members of an array, each with the names that it may use."""
        if shape.node is None:
            return []
        if shape.node.type == "for_statement":
            inside, body = self.enter_loop(shape.node)
            return [(inside, body)]
        if shape.node.type == "lambda_expression":
            name, body = children(shape.node)
            return [(Scope(self.template, self.file, {**self.local, text(name): [Shape(None)]}), body)]
        return [(self, each) for each in children(shape.node)]

    def enter_loop(self, node: Node) -> "tuple[Scope, Node]":
        """Return the names inside a loop, and its body."""
        first, collection, body = children(node)
        names = [text(each) for each in children(first)] if first.type == "for_loop_parameters" else [text(first)]
        local = {names[0]: self.elements(collection)} | {name: [Shape("int")] for name in names[1:]}
        inside = Scope(self.template, self.file, {**self.local, **local})
        while body.type == "if_statement":
            body = children(body)[-1]
        return inside, body

    def elements(self, node: Node) -> list[Shape]:
        """Return what the members of an array can be."""
        found = []
        for shape in self.shapes(node):
            if isinstance(shape.literal, list):
                found += [_literal(each) for each in shape.literal]
            elif shape.node is not None and shape.node.type == "array":
                found += [each for item in children(shape.node) for each in self.shapes(item)]
            else:
                found.append(Shape(None))
        return found

    def _named(self, name: str) -> list[Shape]:
        if name in self.local:
            return list(self.local[name])
        declared = self.file.declarations.get(name)
        if declared is None:
            return [Shape(None)]
        outside = Scope(self.template, self.file)
        if declared.kind == "variable" and declared.value is not None:
            return outside.shapes(children(declared.node)[-1])
        if declared.kind == "parameter":
            return outside.parameter(declared)
        return [Shape(None)]

    def parameter(self, declared: Declaration) -> list[Shape]:
        """Return what a parameter can be."""
        if "allowed" in declared.decorators:
            (allowed,) = arguments(declared.decorators["allowed"])
            return [shape for each in children(allowed) for shape in self.shapes(each)]
        return [Shape(_bare(declared.declared_type))]

    def _member(self, node: Node) -> list[Shape]:
        owner, name = children(node)[0], text(children(node)[-1])
        if owner.type == "member_expression" and text(children(owner)[-1]) == "outputs":
            output = self._output(text(children(owner)[0]).rstrip("!"), name)
            return [Shape(None if output is None else _bare(output.declared_type))]
        if owner.type == "identifier" and text(owner) not in self.local:
            declared = self.file.declarations.get(text(owner))
            if declared is not None and declared.kind == "resource" and name in ("id", "name"):
                return [Shape("string")]
        return [found for shape in self.shapes(owner) for found in self._read(shape, name)]

    def _output(self, module: str, name: str) -> Declaration | None:
        declared = self.file.declarations.get(module)
        if declared is None or declared.kind != "module":
            return None
        called = self.template.module_file(self.file, declared)
        return None if called is None else called.outputs.get(name)

    def _read(self, shape: Shape, name: str) -> list[Shape]:
        if isinstance(shape.literal, dict) and name in shape.literal:
            return [_literal(shape.literal[name])]
        if shape.node is not None and shape.node.type == "object" and name in properties(shape.node):
            return self.shapes(properties(shape.node)[name])
        return [Shape(None)]

    def _call(self, node: Node) -> list[Shape]:
        name = text(children(node)[0])
        found = arguments(node)
        if name == "fail":
            return []
        if name in ("union", "concat"):
            parts = [shape for each in found for shape in self.shapes(each)]
            return [Shape(each.kind, each.literal, each.node, partial=True, known=each.known) for each in parts]
        if name == "filter":
            return self.shapes(found[0])
        if name == "map" and found[-1].type == "lambda_expression":
            body = children(found[-1])[-1]
            return [Shape("array", node=found[-1] if body.type == "object" else None)]
        if name == "loadJsonContent":
            return [_literal(self.load(node))]
        return [Shape(_FUNCTIONS.get(name))]

    def load(self, call: Node) -> Any:
        """Return what a JSON file has that the template loads; None if there is no such file."""
        path = self.file.path.parent / (string_value(arguments(call)[0]) or "")
        return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None


def _literal(value: Any) -> Shape:
    return Shape(_PYTHON.get(type(value)), literal=value, known=True)


def _bare(declared: str) -> str:
    return "array" if declared.endswith("[]") else declared.rstrip("?")


def suggest(name: str, known: Iterable[str]) -> str:
    """Return a hint to the known name that is like a wrong one, if there is one."""
    close = get_close_matches(name, sorted(known), n=1)
    return f"; is it {close[0]}?" if close else ""

"""Bicep files as trees: their declarations, and what is no Bicep."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import tree_sitter_bicep
from tree_sitter import Language, Node, Parser

_PARSER = Parser(Language(tree_sitter_bicep.language()))
_EXTRAS = ("comment", "diagnostic_comment")


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """Something wrong, and where."""

    path: str
    line: int
    message: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.message}"


@dataclass(frozen=True, slots=True)
class Declaration:
    """A parameter, variable, resource, module or output."""

    kind: str
    name: str
    node: Node
    # The decorators' calls by name, such as `allowed`.
    decorators: dict[str, Node] = field(default_factory=dict)

    @property
    def value(self) -> Node | None:
        """Return the expression after `=`, without `if` and `for`."""
        found = children(self.node)[-1]
        if len(children(self.node)) == 1 or found.type in ("type", "identifier"):
            return None
        while found.type in ("for_statement", "if_statement"):
            found = children(found)[-1]
        return found

    @property
    def existing(self) -> bool:
        """Return whether it is a resource that is only looked up."""
        return any(child.type == "existing" for child in self.node.children)

    @property
    def declared_type(self) -> str:
        """Return the type of a parameter or output, such as `string`."""
        return next((text(child) for child in children(self.node) if child.type == "type"), "")

    @property
    def literal(self) -> str:
        """Return the type of a resource with its version, or the path of a module."""
        return string_value(children(self.node)[1]) or ""


@dataclass(frozen=True)
class BicepFile:
    """One file, parsed."""

    path: Path
    # As findings name it.
    shown: str

    @cached_property
    def root(self) -> Node:
        """Return the tree."""
        return _PARSER.parse(self.path.read_bytes()).root_node

    @cached_property
    def nodes(self) -> list[Node]:
        """Return everything in the tree, in the order of the text; most checks look at all of it."""
        return list(walk(self.root))

    @cached_property
    def declarations(self) -> dict[str, Declaration]:
        """Return what is declared, by name; outputs have names of their own."""
        return {each.name: each for each in self._declare() if each.kind != "output"}

    @cached_property
    def outputs(self) -> dict[str, Declaration]:
        """Return the outputs by name."""
        return {each.name: each for each in self._declare() if each.kind == "output"}

    def of_kind(self, kind: str) -> list[Declaration]:
        """Return the declarations of a kind, such as `resource`."""
        return [each for each in self.declarations.values() if each.kind == kind]

    def find(self, node: Node, message: str) -> Finding:
        """Return a finding at a node."""
        return Finding(self.shown, node.start_point[0] + 1, message)

    def check_syntax(self) -> Iterator[Finding]:
        """Find what is no Bicep, and names that are declared twice."""
        for node in self.nodes:
            if node.is_missing:
                yield self.find(node, f"{node.type!r} is missing here.")
            elif node.is_error:
                yield self.find(node, f"This is no Bicep: {text(node)[:40]!r}.")
        names = set()
        for each in self._declare():
            if (each.kind == "output", each.name) in names:
                yield self.find(each.node, f"{each.name} is declared twice.")
            names.add((each.kind == "output", each.name))

    def _declare(self) -> Iterator[Declaration]:
        decorators: dict[str, Node] = {}
        for node in children(self.root):
            kind, _, rest = node.type.partition("_declaration")
            if node.type == "decorators":
                calls = [children(decorator)[0] for decorator in children(node)]
                decorators = {text(children(call)[0]): call for call in calls}
            elif node.type.endswith("_declaration") and not rest:
                yield Declaration(kind, text(children(node)[0]), node, decorators)
                decorators = {}


def children(node: Node) -> list[Node]:
    """Return the named children, without comments."""
    return [child for child in node.named_children if child.type not in _EXTRAS]


def text(node: Node) -> str:
    """Return what stands in the file."""
    return (node.text or b"").decode()


def walk(node: Node) -> Iterator[Node]:
    """Return a node and everything below it."""
    left = [node]
    while left:
        node = left.pop()
        yield node
        left += reversed(node.children)


def string_value(node: Node) -> str | None:
    """Return the value of a string without interpolation, else None."""
    if node.type != "string" or any(child.type == "interpolation" for child in node.children):
        return None
    return "".join(text(child) for child in children(node))


def properties(node: Node) -> dict[str, Node]:
    """Return the properties of an object; one whose name is computed has its source text as name."""
    found = {}
    for each in children(node):
        if each.type == "object_property" and len(children(each)) == 2:
            key, value = children(each)
            found[string_value(key) or text(key)] = value
    return found


def property_node(node: Node, *path: str) -> Node | None:
    """Return the value at a path in nested objects, if there is one."""
    for name in path:
        if node.type != "object" or name not in properties(node):
            return None
        node = properties(node)[name]
    return node


def arguments(call: Node) -> list[Node]:
    """Return the arguments of a call."""
    return [each for part in children(call) if part.type == "arguments" for each in children(part)]

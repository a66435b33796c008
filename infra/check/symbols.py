"""Names: what is used is declared, what is declared is used, and modules get what they ask for."""

from collections.abc import Iterator

from tree_sitter import Node

from infra.check.syntax import (
    BicepFile,
    Declaration,
    Finding,
    arguments,
    children,
    properties,
    property_node,
    string_value,
    text,
    walk,
)
from infra.check.template import Scope, Template, suggest

_FUNCTIONS = frozenset(
    {
        "concat",
        "contains",
        "deployer",
        "empty",
        "environment",
        "fail",
        "filter",
        "flatten",
        "guid",
        "length",
        "loadJsonContent",
        "loadTextContent",
        "map",
        "min",
        "newGuid",
        "range",
        "resourceGroup",
        "split",
        "string",
        "subscription",
        "subscriptionResourceId",
        "substring",
        "tenant",
        "toLower",
        "union",
        "uniqueString",
    }
)
_DECORATORS = frozenset(
    {
        "allowed",
        "batchSize",
        "description",
        "maxLength",
        "maxValue",
        "minLength",
        "minValue",
        "onlyIfNotExists",
        "secure",
    }
)
_OF_MODULES = ("dependsOn", "name", "params", "scope")


def check_symbols(template: Template) -> Iterator[Finding]:
    """Find unknown and unused names, modules that do not exist, and their wrong parameters."""
    for file in template.files.values():
        used = set()
        for node in file.nodes:
            if node.type == "identifier" and _is_reference(node):
                used.add(text(node))
                yield from _check_reference(file, node)
        for each in file.declarations.values():
            if each.kind in ("parameter", "variable") and each.name not in used:
                yield file.find(each.node, f"the {each.kind} {each.name} is never used.")
            for name, decorator in each.decorators.items():
                if name not in _DECORATORS:
                    yield file.find(decorator, f"there is no decorator {name}{suggest(name, _DECORATORS)}.")
        for module in file.of_kind("module"):
            yield from _check_module(template, file, module)


def _is_reference(node: Node) -> bool:
    """Return whether an identifier stands for something, instead of naming it."""
    parent = node.parent
    if parent is None or (parent.type == "object_property" and children(parent)[0] == node):
        return False
    if parent.type == "call_expression" and parent.parent is not None and parent.parent.type == "decorator":
        return False
    named_first = parent.type.endswith("_declaration") or parent.type in ("lambda_expression", "for_statement")
    return not (named_first and children(parent)[0] == node)


def _check_reference(file: BicepFile, node: Node) -> Iterator[Finding]:
    name = text(node)
    parent = node.parent
    if parent is not None and parent.type == "call_expression" and children(parent)[0] == node:
        if name not in _FUNCTIONS:
            yield file.find(node, f"there is no function {name}{suggest(name, _FUNCTIONS)}.")
    elif name not in file.declarations and name not in _locals(node):
        yield file.find(node, f"{name} is not declared{suggest(name, file.declarations)}.")


def _locals(node: Node) -> set[str]:
    """Return the loop variables and parameters of lambdas around a node."""
    found = set()
    around: Node | None = node
    while around is not None:
        if around.type == "for_statement":
            first = children(around)[0]
            found |= {text(each) for each in (children(first) or [first])}
        if around.type == "arguments":  # the grammar ends some lambdas too early
            found |= {text(children(each)[0]) for each in walk(around) if each.type == "lambda_expression"}
        around = around.parent
    return found


def _check_module(template: Template, file: BicepFile, module: Declaration) -> Iterator[Finding]:
    called = template.module_file(file, module)
    if called is None:
        yield file.find(module.node, f"there is no file {module.literal}.")
        return
    body = module.value
    for name, node in ({} if body is None else properties(body)).items():
        if name not in _OF_MODULES:
            yield file.find(node, f"a module has no {name}{suggest(name, _OF_MODULES)}.")
    given_node = None if body is None else property_node(body, "params")
    given = {} if given_node is None else properties(given_node)
    wanted = {each.name: each for each in called.of_kind("parameter")}
    for name, node in given.items():
        if name not in wanted:
            yield file.find(node, f"{called.shown} has no parameter {name}{suggest(name, wanted)}.")
        else:
            yield from _check_argument(Scope(template, file), wanted[name], node)
    for name, each in wanted.items():
        if each.value is None and name not in given:
            yield file.find(module.node, f"{called.shown} needs the parameter {name}.")


def _check_argument(scope: Scope, wanted: Declaration, node: Node) -> Iterator[Finding]:
    kind = "array" if wanted.declared_type.endswith("[]") else wanted.declared_type
    allowed = _list_allowed(wanted)
    for shape in scope.shapes(node):
        if shape.kind not in (None, kind):
            yield scope.file.find(node, f"the parameter {wanted.name} is of type {kind}, not {shape.kind}.")
        elif allowed and shape.known and shape.literal not in allowed:
            yield scope.file.find(node, f"the parameter {wanted.name} cannot be {shape.literal!r}.")


def _list_allowed(wanted: Declaration) -> list[object]:
    if "allowed" not in wanted.decorators:
        return []
    (listed,) = arguments(wanted.decorators["allowed"])
    return [string_value(each) if each.type == "string" else int(text(each)) for each in children(listed)]


def check_defaults(template: Template) -> Iterator[Finding]:
    """Find parameters whose default is not of their type, or not allowed."""
    for file in template.files.values():
        for each in file.of_kind("parameter"):
            if each.value is not None:
                yield from _check_argument(Scope(template, file), each, each.value)

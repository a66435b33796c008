"""What stands behind a dot: outputs of modules, columns of loops and lambdas, and what functions of Bicep return."""

from collections.abc import Iterator

from tree_sitter import Node

from infra.check.syntax import BicepFile, Finding, arguments, children, properties, text
from infra.check.template import Scope, Shape, Template, suggest

_RETURNED = {
    "deployer": ("objectId", "tenantId", "userPrincipalName"),
    "environment": ("name", "resourceManager", "suffixes"),
    "resourceGroup": ("id", "location", "name", "tags"),
    "subscription": ("displayName", "id", "subscriptionId", "tenantId"),
    "tenant": ("countryCode", "displayName", "tenantId"),
}
_OF_MODULES = ("id", "name", "outputs")


def check_members(template: Template) -> Iterator[Finding]:
    """Find what is read of a module, of a loop's or lambda's item, or of Bicep's functions, and is not there."""
    for file in template.files.values():
        for node in file.nodes:
            if node.type == "member_expression":
                yield from _check_member(template, file, node)


def _check_member(template: Template, file: BicepFile, node: Node) -> Iterator[Finding]:
    owner, name = children(node)[0], text(children(node)[-1])
    known = set(_list_known(template, file, owner))
    if known and name not in known:
        yield file.find(node, f"{text(owner)} has no {name}{suggest(name, known)}.")


def _list_known(template: Template, file: BicepFile, owner: Node) -> Iterator[str]:
    """Return the names that may follow an expression; none if they are not known."""
    if owner.type == "call_expression":
        yield from _RETURNED.get(text(children(owner)[0]), ())
    elif owner.type == "member_expression" and text(children(owner)[-1]) == "outputs":
        declared = file.declarations.get(text(children(owner)[0]).rstrip("!"))
        called = None if declared is None else template.module_file(file, declared)
        yield from () if called is None else called.outputs
    elif owner.type == "lambda_expression":  # the grammar ends some lambdas too early
        yield from _list_known(template, file, _innermost(owner))
    elif owner.type == "identifier":
        declared = file.declarations.get(text(owner))
        if declared is not None and declared.kind == "module":
            yield from _OF_MODULES
        else:
            yield from _list_columns(_find_items(Scope(template, file), owner))


def _innermost(node: Node) -> Node:
    while node.type in ("lambda_expression", "unary_expression"):
        node = children(node)[-1]
    return node


def _find_items(scope: Scope, owner: Node) -> list[Shape]:
    """Return what a loop variable or a parameter of a lambda can be."""
    around: Node | None = owner
    while around is not None:
        if around.type == "for_statement" and text(owner) in _loop_names(around):
            inside, _ = scope.enter_loop(around)
            return inside.local[text(owner)]
        if around.type == "arguments" and text(owner) in _lambda_names(around):
            return scope.elements(children(around)[0])
        around = around.parent
    return []


def _loop_names(loop: Node) -> list[str]:
    first = children(loop)[0]
    return [text(each) for each in (children(first) or [first])]


def _lambda_names(call: Node) -> list[str]:
    names = []
    for each in children(call)[1:]:
        while each.type != "lambda_expression" and children(each) and each.type != "call_expression":
            each = children(each)[0]  # noqa: PLW2901
        if each.type == "lambda_expression":
            names.append(text(children(each)[0]))
    return names


def _list_columns(shapes: list[Shape]) -> set[str]:
    names = [set(shape.literal) for shape in shapes if isinstance(shape.literal, dict)]
    names += [set(properties(shape.node)) for shape in shapes if shape.node is not None and shape.kind == "object"]
    return set.intersection(*names) if names and len(names) == len(shapes) else set()


def check_loaded(template: Template) -> Iterator[Finding]:
    """Find files that the template loads and that are not there."""
    for file in template.files.values():
        for node in file.nodes:
            if node.type == "call_expression" and text(children(node)[0]) in ("loadJsonContent", "loadTextContent"):
                name = text(arguments(node)[0]).strip("'")
                if not (file.path.parent / name).is_file():
                    yield file.find(node, f"there is no file {name}.")

"""What azd reads and writes: azure.yaml, the parameters' file, and the variables of the hooks."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

from tree_sitter import Node

from infra.check.syntax import Finding, children, properties, property_node, string_value, text, walk
from infra.check.template import Scope, Shape, Template, suggest

_PARAMETERS = "infra/main.parameters.json"
_YAML = "azure.yaml"
_VARIABLE = re.compile(r"\$\{(\w+)(?:=(.*))?\}")
# How a hook reads a variable of the deployment.
_READ = re.compile(r"""(?:\.read\(|variables\.get\(|variables\[)["']([A-Z_]+)["']""")
# How a script gives a parameter: main.bicep writes names of one word only where the word is `location`.
_GIVEN = re.compile(r"(?<![\w$-])(location|[a-z]+[A-Z]\w*)=")
# What fills the parameters' file in, for a script.
_FILLED = "infra/hooks/parameters.py"
# azd and people set them.
_OF_AZD = frozenset({"AZURE_ENV_NAME", "AZURE_LOCATION", "AZURE_SUBSCRIPTION_ID", "READY_PATIENCE_SECONDS"})


def check_parameters(template: Template) -> Iterator[Finding]:
    """Find parameters of main.bicep that the parameters' file misses, does not know, or gives a wrong default."""
    path = template.folder / "main.parameters.json"
    try:
        given = json.loads(path.read_text(encoding="utf-8"))["parameters"]
    except (OSError, ValueError, KeyError):
        yield Finding(_PARAMETERS, 1, "This is no file of parameters.")
        return
    lines = path.read_text(encoding="utf-8").splitlines()
    declared = {each.name: each for each in template.main.of_kind("parameter")}
    for name, each in given.items():
        line = next((i for i, text in enumerate(lines, start=1) if f'"{name}"' in text), 1)
        if name not in declared:
            yield Finding(_PARAMETERS, line, f"main.bicep has no parameter {name}{suggest(name, declared)}.")
            continue
        scope = Scope(template, template.main)
        found = _VARIABLE.fullmatch(str(each.get("value")))
        if found is not None and found.group(2) is not None:
            yield from (
                Finding(_PARAMETERS, line, problem)
                for problem in _check_default(name, found.group(2), scope.parameter(declared[name]))
            )
    for name, parameter in declared.items():
        if parameter.value is None and name not in given:
            yield Finding(_PARAMETERS, 1, f"the parameter {name} is missing, and main.bicep has no default for it.")


def _check_default(name: str, default: str, shapes: list[Shape]) -> Iterator[str]:
    allowed = [str(shape.literal) for shape in shapes if shape.known]
    if allowed and default not in allowed:
        yield f"the default of {name} is not allowed: {default!r} is none of {', '.join(allowed)}."
    kinds = {shape.kind for shape in shapes}
    if kinds == {"int"} and not default.isdecimal():
        yield f"the default of {name} must be a whole number, not {default!r}."
    if kinds == {"bool"} and default not in ("true", "false"):
        yield f"the default of {name} must be true or false, not {default!r}."


def check_azd(template: Template) -> Iterator[Finding]:
    """Find services without an app, hooks without a file, and variables that nobody sets."""
    path = template.folder.parent / _YAML
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    yield from _check_service(template, lines)
    hooks = [line.partition("run:")[2].strip() for line in lines if "run:" in line]
    for hook in hooks:
        if not (template.folder.parent / hook).is_file():
            yield Finding(_YAML, 1, f"there is no hook {hook}.")
    yield from _check_tag(template)
    yield from _check_down(template, lines)
    yield from _check_hooks(template)


def _check_service(template: Template, lines: list[str]) -> Iterator[Finding]:
    start = lines.index("services:") + 1 if "services:" in lines else len(lines)
    service = next((line.strip().rstrip(":") for line in lines[start:]), "")
    tags = [
        string_value(properties(node)["azd-service-name"])
        for node in template.main.nodes
        if node.type == "object" and "azd-service-name" in properties(node)
    ]
    if tags != [service]:
        yield Finding(_YAML, start, f"exactly one resource has the tag azd-service-name {service!r}; found: {tags}.")


def _check_tag(template: Template) -> Iterator[Finding]:
    """Azd finds the resources of an environment by their tag."""
    tags = template.main.declarations.get("tags")
    if tags is None or "azd-env-name" not in properties(children(tags.node)[-1]):
        yield template.main.find(template.main.root if tags is None else tags.node, "tags must have azd-env-name.")


def _check_down(template: Template, lines: list[str]) -> Iterator[Finding]:
    """Azd deletes every resource group that it wrote to, and asks no hook but this one."""
    foreign = [
        module.name
        for module in template.main.of_kind("module")
        if module.value is not None and not _is_own(template, properties(module.value).get("scope"))
    ]
    if foreign and "  predown:" not in lines:
        yield Finding(_YAML, 1, f"the hook predown is missing: azd down would delete the resource group of {foreign}.")


def _is_own(template: Template, scope: Node | None) -> bool:
    group = template.main.declarations.get("group")
    return scope is None or (text(scope) == "group" and group is not None and not group.existing)


def _check_hooks(template: Template) -> Iterator[Finding]:
    """Find what a hook reads and nobody sets: azd writes the outputs into its environment."""
    known = template.main.outputs.keys() | _OF_AZD | _list_variables(template.folder)
    for path in sorted((template.folder / "hooks").glob("*.py")):
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
            for name in _READ.findall(line):
                if name not in known:
                    message = f"main.bicep has no output {name}{suggest(name, known)}."
                    yield Finding(f"infra/hooks/{path.name}", number, message)


def check_script(template: Template) -> Iterator[Finding]:
    """Find what a script gives to main.bicep and is no parameter, and what it forgets."""
    declared = {each.name: each for each in template.main.of_kind("parameter")}
    for path in sorted(template.folder.glob("*.sh")):
        script = path.read_text(encoding="utf-8")
        # The parameters' file has a check of its own.
        given = set(declared) if _FILLED in script else set()
        for number, line in enumerate(script.splitlines(), start=1):
            for name in () if line.startswith("#") else _GIVEN.findall(line):
                given.add(name)
                if name not in declared:
                    message = f"main.bicep has no parameter {name}{suggest(name, declared)}."
                    yield Finding(f"infra/{path.name}", number, message)
        for name, each in declared.items():
            if each.value is None and name not in given:
                yield Finding(f"infra/{path.name}", 1, f"the parameter {name} is missing.")


def _list_variables(folder: Path) -> frozenset[str]:
    path = folder / "main.parameters.json"
    found = _VARIABLE.finditer(path.read_text(encoding="utf-8") if path.is_file() else "")
    return frozenset(each.group(1) for each in found)


def check_flex(template: Template) -> Iterator[Finding]:
    """Find what Flex Consumption refuses in the plan, the app and its network."""
    plan, app = template.resource("Microsoft.Web/serverfarms"), template.resource("Microsoft.Web/sites")
    if plan is not None and plan[1].value is not None:
        for name, value in (("name", "FC1"), ("tier", "FlexConsumption")):
            sku = property_node(plan[1].value, "sku", name)
            if sku is None or string_value(sku) != value:
                yield plan[0].find(sku or plan[1].node, f"the {name} of the plan of Flex Consumption is {value}.")
    if app is not None and app[1].value is not None:
        body = app[1].value
        kind = property_node(body, "kind")
        if kind is None or string_value(kind) != "functionapp,linux":
            yield app[0].find(kind or body, "the app's kind is functionapp,linux.")
        site = property_node(body, "properties", "siteConfig")
        if site is not None:
            yield app[0].find(site, "Flex Consumption refuses most of siteConfig: use functionAppConfig.")


def check_network(template: Template) -> Iterator[Finding]:
    """Find subnets that Flex Consumption refuses."""
    made = template.resource("Microsoft.Network/virtualNetworks")
    if made is None or made[1].value is None:
        yield Finding(template.main.shown, 1, "there is no network for private endpoints.")
        return
    file, body = made[0], made[1].value
    for name, node in _list_subnets(body):
        if "_" in name:
            yield file.find(node, f"Flex Consumption refuses the subnet {name}: no underscores.")
    if "Microsoft.App/environments" not in [string_value(node) for node in walk(body) if node.type == "string"]:
        yield file.find(body, "the app's subnet must be delegated to Microsoft.App/environments.")


def _list_subnets(body: Node) -> list[tuple[str, Node]]:
    node = property_node(body, "properties", "subnets")
    found = [] if node is None else [property_node(each, "name") for each in children(node)]
    return [(string_value(each) or "", each) for each in found if each is not None]

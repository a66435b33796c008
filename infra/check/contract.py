"""What the template and the app must agree on: settings, functions, roles, and what Flex Consumption refuses."""

import re
from collections.abc import Iterator

from tree_sitter import Node

from cdc.config.settings import Settings
from cdc.core.errors import SettingsError
from infra.check.app import SAMPLES, list_functions, list_settings
from infra.check.syntax import (
    BicepFile,
    Finding,
    arguments,
    children,
    properties,
    property_node,
    string_value,
    text,
    walk,
)
from infra.check.template import Scope, Shape, Template, suggest
from mappers import EXTRA_CONTAINERS

# By the platform and by Microsoft's libraries.
_PLATFORM = frozenset(
    {
        "APPLICATIONINSIGHTS_AUTHENTICATION_STRING",
        "AzureWebJobsStorage__blobServiceUri",
        "AzureWebJobsStorage__clientId",
        "AzureWebJobsStorage__credential",
        "AzureWebJobsStorage__queueServiceUri",
        "AzureWebJobsStorage__tableServiceUri",
    }
)
# Microsoft's list of what is deprecated on Flex Consumption, or does nothing there.
_REFUSED = frozenset(
    {
        "ENABLE_ORYX_BUILD",
        "FUNCTIONS_EXTENSION_VERSION",
        "FUNCTIONS_MAX_HTTP_CONCURRENCY",
        "FUNCTIONS_WORKER_DYNAMIC_CONCURRENCY_ENABLED",
        "FUNCTIONS_WORKER_PROCESS_COUNT",
        "FUNCTIONS_WORKER_RUNTIME",
        "FUNCTIONS_WORKER_RUNTIME_VERSION",
        "SCM_DO_BUILD_DURING_DEPLOYMENT",
        "TZ",
        "WEBSITE_CONTENTAZUREFILECONNECTIONSTRING",
        "WEBSITE_CONTENTOVERVNET",
        "WEBSITE_CONTENTSHARE",
        "WEBSITE_DNS_SERVER",
        "WEBSITE_LOAD_CERTIFICATES",
        "WEBSITE_MAX_DYNAMIC_APPLICATION_SCALE_OUT",
        "WEBSITE_MOUNT_ENABLED",
        "WEBSITE_NODE_DEFAULT_VERSION",
        "WEBSITE_RUN_FROM_PACKAGE",
        "WEBSITE_SKIP_CONTENTSHARE_VALIDATION",
        "WEBSITE_TIME_ZONE",
        "WEBSITE_VNET_ROUTE_ALL",
    }
)
# Every role that the template gives, and must give.
ROLES = {
    "00000000-0000-0000-0000-000000000001": "Cosmos DB Built-in Data Reader",
    "00000000-0000-0000-0000-000000000002": "Cosmos DB Built-in Data Contributor",
    "0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3": "Storage Table Data Contributor",
    "3913510d-42f4-4e42-8a64-420c390055eb": "Monitoring Metrics Publisher",
    "4633458b-17de-408a-b874-0445c86b69e6": "Key Vault Secrets User",
    "974c5e8b-45b9-4653-ba55-5f855dd0fb88": "Storage Queue Data Contributor",
    "b7e6dc6d-f1e8-4753-8033-0f276bb0955b": "Storage Blob Data Owner",
}
_ROLE_TYPES = ("Microsoft.Authorization/roleAssignments@2022-04-01", "Microsoft.Authorization/roleDefinitions")
# What must be closed, whoever runs the template; a private network closes the rest.
_BY_NETWORK = "private ? 'Disabled' : 'Enabled'"
_CLOSED = (
    ("Microsoft.DBforPostgreSQL/flexibleServers", "authConfig.passwordAuth", "'Disabled'"),
    ("Microsoft.DBforPostgreSQL/flexibleServers", "network.publicNetworkAccess", _BY_NETWORK),
    ("Microsoft.Insights/components", "DisableLocalAuth", "true"),
    ("Microsoft.KeyVault/vaults", "enableRbacAuthorization", "true"),
    ("Microsoft.KeyVault/vaults", "publicNetworkAccess", _BY_NETWORK),
    ("Microsoft.Storage/storageAccounts", "allowBlobPublicAccess", "false"),
    ("Microsoft.Storage/storageAccounts", "allowSharedKeyAccess", "false"),
    ("Microsoft.Storage/storageAccounts", "minimumTlsVersion", "'TLS1_2'"),
    ("Microsoft.Storage/storageAccounts", "publicNetworkAccess", _BY_NETWORK),
    ("Microsoft.Storage/storageAccounts/blobServices/containers", "publicAccess", "'None'"),
    ("Microsoft.Web/sites", "httpsOnly", "true"),
    ("Microsoft.Web/sites/basicPublishingCredentialsPolicies", "allow", "false"),
)
_GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


def check_settings(template: Template) -> Iterator[Finding]:
    """Find app settings that the app does not know, Flex refuses or `Settings` rejects, and missing ones."""
    known, given = list_settings(), _list_app_settings(template)
    for name, (scope, node) in given.items():
        if name in _REFUSED:
            yield scope.file.find(node, f"{name} must not be set on Flex Consumption.")
        elif name not in known and name not in _PLATFORM:
            yield scope.file.find(node, f"the app has no setting {name}{suggest(name, [*known, *_PLATFORM])}.")
    at = template.main.shown
    for name, required in known.items():
        if required and name not in given:
            yield Finding(at, 1, f"the required setting {name} is missing.")
    for name in _PLATFORM - given.keys():
        yield Finding(at, 1, f"the setting {name} of the platform is missing.")
    for name in ("AzureWebJobsStorage__credential", "COSMOS_CONNECTION__credential"):
        if name in given and text(given[name][1]) != "'managedidentity'":
            yield given[name][0].file.find(given[name][1], f"{name} must be 'managedidentity'.")
    yield from _check_values(given)


def _check_values(given: "dict[str, tuple[Scope, Node]]") -> Iterator[Finding]:
    values = {name: SAMPLES.get(name, "") for name in given}
    for name, (scope, node) in given.items():
        for value in _list_values(scope, node):
            try:
                Settings.read({**values, name: value}, EXTRA_CONTAINERS)
            except SettingsError as error:
                yield from (
                    scope.file.find(node, f"the app refuses {line.strip()}, but gets {value!r}.")
                    for line in str(error).splitlines()
                    if line.strip().startswith(f"{name}:")
                )
                if f"{name}:" not in str(error):
                    yield scope.file.find(node, f"with {name}={value!r} the app refuses its settings: {error}")


def _list_values(scope: Scope, node: Node) -> list[str]:
    """Return the values of a setting that stand in the template."""
    found = [str(shape.literal) for shape in scope.shapes(node) if shape.known]
    declared = scope.file.declarations.get(text(node))
    if declared is not None and declared.kind == "parameter" and declared.value is not None:
        found += [str(shape.literal) for shape in scope.shapes(declared.value) if shape.known]
    return found


def _list_app_settings(template: Template) -> "dict[str, tuple[Scope, Node]]":
    """Return the app settings by name: those of the resource, and those that the module gets."""
    found: dict[str, tuple[Scope, Node]] = {}
    app = template.resource("Microsoft.Web/sites/config")
    bodies = [] if app is None else [(app[0], app[1].value, "properties")]
    bodies += [
        (template.main, property_node(module.value, "params"), "settings")
        for module in template.main.of_kind("module")
        if app is not None and template.module_file(template.main, module) is app[0] and module.value is not None
    ]
    for file, body, name in bodies:
        node = None if body is None else property_node(body, name)
        scope = Scope(template, file)
        for shape in [] if node is None else scope.shapes(node):
            if shape.node is not None:
                found |= {key: (scope, value) for key, value in properties(shape.node).items()}
    return found


def check_functions(template: Template) -> Iterator[Finding]:
    """Find change feeds that are not always ready, and those that the app does not have."""
    functions, main = list_functions(), template.main
    listed = {}
    for node, feed in _list_feeds(template):
        container, function = (feed.get(name, Shape(None)).literal for name in ("container", "function"))
        listed[container] = function
        if container not in functions.feeds:
            yield main.find(node, f"no mapper takes {container}{suggest(str(container), functions.feeds)}.")
        elif function != functions.feeds[container]:
            yield main.find(node, f"the feed of {container} is {functions.feeds[container]}, not {function}.")
        if feed.get("always", Shape(None)).literal is not (container not in EXTRA_CONTAINERS):
            yield main.find(node, f"always of {container} is wrong: EXTRA_CONTAINERS may name {EXTRA_CONTAINERS}.")
    for container in functions.feeds.keys() - listed.keys():
        yield Finding(main.shown, 1, f"the container {container} is missing in feeds: nothing keeps its feed ready.")
    rest = main.declarations.get("instancesAtRest")
    expected = f"length(activeFeeds) + {2 + len(functions.alone)}"
    if rest is None or text(children(rest.node)[-1]) != expected:
        at, alone = main.root if rest is None else rest.node, ", ".join(sorted(functions.alone))
        yield main.find(at, f"instancesAtRest must be {expected}: requests, durable functions, {alone}.")
    yield from _check_always_ready(template)


def _list_feeds(template: Template) -> "Iterator[tuple[Node, dict[str, Shape]]]":
    feeds, scope = template.main.declarations.get("feeds"), Scope(template, template.main)
    for node in [] if feeds is None else children(children(feeds.node)[-1]):
        yield node, {name: shape for name, each in properties(node).items() for shape in scope.shapes(each)}


def _check_always_ready(template: Template) -> Iterator[Finding]:
    app = template.resource("Microsoft.Web/sites")
    if app is None or app[1].value is None:
        return
    file, body = app[0], app[1].value
    node = property_node(body, "properties", "functionAppConfig", "scaleAndConcurrency", "alwaysReady")
    names = [] if node is None else [text(each) for each in _names_below(node)]
    for name in ("'function:${feed}'", "'durable'"):
        if name not in names:
            yield file.find(node or body, f"alwaysReady has no {name}.")
    for name in names:
        if name not in ("'function:${feed}'", "'durable'", "'http'"):
            yield file.find(node or body, f"alwaysReady has {name}, which is no group of the app.")


def _names_below(node: Node) -> list[Node]:
    return [properties(each)["name"] for each in walk(node) if each.type == "object" and "name" in properties(each)]


def check_roles(template: Template) -> Iterator[Finding]:
    """Find roles that are unknown or missing."""
    seen = set()
    for file in template.files.values():
        for node in file.nodes:
            value = (string_value(node) or "") if node.type == "string" else ""
            seen.add(value)
            if _GUID.fullmatch(value) and value not in ROLES:
                yield file.find(node, f"{value} is no role that the app needs{suggest(value, ROLES)}.")
            if value.startswith("Microsoft.Authorization/") and value not in _ROLE_TYPES:
                yield file.find(node, f"{value} is no type of role{suggest(value, _ROLE_TYPES)}.")
    for role in ROLES.keys() - seen:
        yield Finding(template.main.shown, 1, f"nobody gets the role {ROLES[role]} ({role}).")


def check_scopes(template: Template) -> Iterator[Finding]:
    """Find roles that are given for more than one resource or container."""
    given = [each for each in template.resources() if each[2].endswith(("/roleAssignments", "/sqlRoleAssignments"))]
    if not given:
        yield Finding(template.main.shown, 1, "nobody gets a role.")
    for file, each, kind, _ in given:
        if each.value is None:
            continue
        if kind == "Microsoft.Authorization/roleAssignments" and "scope" not in properties(each.value):
            yield file.find(each.node, f"{each.name} has no scope: the role would hold for the whole resource group.")
        if kind.endswith("/sqlRoleAssignments"):
            yield from _check_cosmos_scope(file, property_node(each.value, "properties", "scope") or each.value)


def _check_cosmos_scope(file: BicepFile, node: Node) -> Iterator[Finding]:
    if not re.fullmatch(r"'\$\{account\.id\}/dbs/[^/]+/colls/[^/]+'", text(node)):
        yield file.find(node, f"a role in Cosmos is for one container, .../dbs/.../colls/..., not {text(node)}.")


def check_closed(template: Template) -> Iterator[Finding]:
    """Find doors that are left open: keys, passwords, plain HTTP, and public access in spite of a private network."""
    for kind, path, wanted in _CLOSED:
        made = template.resource(kind)
        if made is None or made[1].value is None:
            yield Finding(template.main.shown, 1, f"there is no {kind}, of which {path} must be {wanted}.")
            continue
        node = property_node(made[1].value, "properties", *path.split("."))
        if node is None or text(node) != wanted:
            yield made[0].find(node or made[1].node, f"{path} must be {wanted}.")


def check_leases(template: Template) -> Iterator[Finding]:
    """Find a lease container that the app and the trigger refuse."""
    made = template.resource("Microsoft.DocumentDB/databaseAccounts/sqlDatabases/containers")
    if made is None or made[1].value is None:
        yield Finding(template.main.shown, 1, "the lease container is missing: no identity can create it later.")
        return
    file, body = made[0], made[1].value
    for path, wanted in ((("partitionKey", "paths"), "['/id']"), (("defaultTtl",), "-1")):
        node = property_node(body, "properties", "resource", *path)
        if node is None or text(node) != wanted:
            yield file.find(node or body, f"{path[-1]} of the lease container must be {wanted}.")


def check_sizes(template: Template) -> Iterator[Finding]:
    """Find sizes of PostgreSQL of which the template does not know the connections."""
    main = template.main
    sizes, sku = main.declarations.get("userConnections"), main.declarations.get("postgresSku")
    if sizes is None or sku is None or "allowed" not in sku.decorators:
        yield Finding(main.shown, 1, "userConnections or the allowed values of postgresSku are missing.")
        return
    known = properties(children(sizes.node)[-1]).keys()
    allowed = {string_value(each) for each in children(arguments(sku.decorators["allowed"])[0])}
    for name in sorted(known ^ allowed, key=str):
        yield main.find(sizes.node, f"{name} must stand in userConnections and in the allowed values of postgresSku.")

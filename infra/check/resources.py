"""Resources: every literal against Microsoft's own types."""

from collections.abc import Iterator
from dataclasses import dataclass

from tree_sitter import Node

from infra.check.schema import Choice, Property, choose, list_properties, model
from infra.check.syntax import BicepFile, Declaration, Finding, children, properties, text
from infra.check.template import Scope, Shape, Template, suggest

# Of each type: the version that Bicep knows, and the class that has what may be set.
TYPES = {
    "Microsoft.Authorization/roleAssignments": (
        "2022-04-01",
        "authorization.v2022_04_01.RoleAssignmentCreateParameters",
    ),
    "Microsoft.DBforPostgreSQL/flexibleServers": ("2025-08-01", "postgresqlflexibleservers.Server"),
    "Microsoft.DBforPostgreSQL/flexibleServers/administrators": (
        "2025-08-01",
        "postgresqlflexibleservers.AdministratorMicrosoftEntraAdd",
    ),
    "Microsoft.DBforPostgreSQL/flexibleServers/configurations": (
        "2025-08-01",
        "postgresqlflexibleservers.Configuration",
    ),
    "Microsoft.DBforPostgreSQL/flexibleServers/databases": ("2025-08-01", "postgresqlflexibleservers.Database"),
    "Microsoft.DBforPostgreSQL/flexibleServers/firewallRules": ("2025-08-01", "postgresqlflexibleservers.FirewallRule"),
    "Microsoft.DocumentDB/databaseAccounts": ("2025-04-15", "cosmosdb.DatabaseAccountGetResults"),
    "Microsoft.DocumentDB/databaseAccounts/sqlDatabases": ("2025-04-15", "cosmosdb.SqlDatabaseCreateUpdateParameters"),
    "Microsoft.DocumentDB/databaseAccounts/sqlDatabases/containers": (
        "2025-04-15",
        "cosmosdb.SqlContainerCreateUpdateParameters",
    ),
    "Microsoft.DocumentDB/databaseAccounts/sqlRoleAssignments": (
        "2025-04-15",
        "cosmosdb.SqlRoleAssignmentCreateUpdateParameters",
    ),
    "Microsoft.Insights/actionGroups": ("2023-01-01", "monitor.ActionGroupResource"),
    "Microsoft.Insights/components": ("2020-02-02", "applicationinsights.v2020_02_02.ApplicationInsightsComponent"),
    "Microsoft.Insights/scheduledQueryRules": ("2023-12-01", "monitor.ScheduledQueryRuleResource"),
    "Microsoft.Insights/workbooks": ("2023-06-01", "applicationinsights.v2023_06_01.Workbook"),
    "Microsoft.KeyVault/vaults": ("2024-11-01", "keyvault.VaultCreateOrUpdateParameters"),
    "Microsoft.KeyVault/vaults/secrets": ("2024-11-01", "keyvault.SecretCreateOrUpdateParameters"),
    "Microsoft.ManagedIdentity/userAssignedIdentities": ("2024-11-30", "msi.v2024_11_30.Identity"),
    "Microsoft.Network/privateDnsZones": ("2024-06-01", "privatedns.PrivateZone"),
    "Microsoft.Network/privateDnsZones/virtualNetworkLinks": ("2024-06-01", "privatedns.VirtualNetworkLink"),
    "Microsoft.Network/privateEndpoints": ("2025-05-01", "network.PrivateEndpoint"),
    "Microsoft.Network/privateEndpoints/privateDnsZoneGroups": ("2025-05-01", "network.PrivateDnsZoneGroup"),
    "Microsoft.Network/virtualNetworks": ("2025-05-01", "network.VirtualNetwork"),
    "Microsoft.OperationalInsights/workspaces": ("2025-07-01", "loganalytics.Workspace"),
    "Microsoft.Resources/resourceGroups": ("2024-03-01", "resource.resources.ResourceGroup"),
    "Microsoft.Storage/storageAccounts": ("2025-01-01", "storage.StorageAccountCreateParameters"),
    "Microsoft.Storage/storageAccounts/blobServices": ("2025-01-01", "storage.BlobServiceProperties"),
    "Microsoft.Storage/storageAccounts/blobServices/containers": ("2025-01-01", "storage.BlobContainer"),
    "Microsoft.Web/serverfarms": ("2025-03-01", "web.AppServicePlan"),
    "Microsoft.Web/sites": ("2025-03-01", "web.Site"),
    "Microsoft.Web/sites/basicPublishingCredentialsPolicies": (
        "2025-03-01",
        "web.CsmPublishingCredentialsPoliciesEntity",
    ),
    "Microsoft.Web/sites/config": ("2025-03-01", "web.StringDictionary"),
}
# What can be read, where its class differs from what may be set.
_READ = {
    "Microsoft.KeyVault/vaults": "keyvault.Vault",
    "Microsoft.Storage/storageAccounts": "storage.StorageAccount",
}
# Bicep's own.
_OWN = frozenset({"name", "parent", "scope", "dependsOn"})
# A client of Azure sets a name of Azure Resource Manager by its method, not in the body.
_TOP_READONLY = frozenset({"id", "name", "type", "etag", "systemData"})


def check_resources(template: Template) -> Iterator[Finding]:
    """Find types, versions, properties and values that Azure does not know."""
    for file, each, kind, version in template.resources():
        if kind not in TYPES:
            yield file.find(each.node, f"{kind} is no known type of resource{suggest(kind, TYPES)}.")
            continue
        known, path = TYPES[kind]
        if version != known:
            yield file.find(each.node, f"{kind} has version {version}, but is checked as {known}.")
        if not each.existing and each.value is not None:
            yield from _Body(template, file).check_resource(each, model(path))
        yield from _check_name(file, each)
    for file in template.files.values():
        yield from _check_reads(file)


def _check_name(file: BicepFile, each: Declaration) -> Iterator[Finding]:
    listed = {} if each.value is None else properties(each.value)
    if "name" not in listed:
        yield file.find(each.node, f"{each.name} has no name.")
    if each.literal.partition("@")[0].count("/") > 1 and "parent" not in listed:
        yield file.find(each.node, f"{each.name} is a child resource: it needs a parent.")


def _check_reads(file: BicepFile) -> Iterator[Finding]:
    """Find what is read of a resource and is not there, such as `account.properties.documentEndpont`."""
    for node in file.nodes:
        if node.type != "member_expression" or (node.parent is not None and node.parent.type == "member_expression"):
            continue
        owner, *names = _path(node)
        declared = file.declarations.get(owner)
        if declared is None or declared.kind != "resource":
            continue
        kind = declared.literal.partition("@")[0]
        if kind in TYPES:
            yield from _follow(file, node, _READ.get(kind, TYPES[kind][1]), names)


def _follow(file: BicepFile, node: Node, path: str, names: list[str]) -> Iterator[Finding]:
    choice = Choice("object", model=model(path))
    for name in names:
        if choice.model is None:
            return
        known = list_properties(choice.model)
        if name not in known and not (name in _TOP_READONLY and choice.model is model(path)):
            yield file.find(node, f"{text(node)}: there is no {name}{suggest(name, known)}.")
            return
        choice = choose(known[name].type) if name in known else Choice("string")


def _path(node: Node) -> list[str]:
    if node.type == "member_expression":
        return [*_path(children(node)[0]), text(children(node)[-1])]
    return [text(node).rstrip("!")]


@dataclass(frozen=True)
class _Body:
    """The properties of resources of one file."""

    template: Template
    file: BicepFile

    def check_resource(self, each: Declaration, found: type) -> Iterator[Finding]:
        scope, body = Scope(self.template, self.file), children(each.node)[-1]
        while body.type in ("for_statement", "if_statement"):
            scope, body = scope.enter_loop(body) if body.type == "for_statement" else (scope, children(body)[-1])
        known = {name: rule for name, rule in list_properties(found).items() if name not in _TOP_READONLY}
        listed = {name: node for name, node in properties(body).items() if name not in _OWN}
        yield from self._check_properties(scope, body, listed, known, complete=True)

    def _check_properties(
        self, scope: Scope, at: Node, listed: dict[str, Node], known: "dict[str, Property]", *, complete: bool
    ) -> Iterator[Finding]:
        for name, node in listed.items():
            if name not in known:
                yield self.file.find(node, f"there is no property {name}{suggest(name, known)}.")
            elif known[name].readonly:
                yield self.file.find(node, f"{name} cannot be set: Azure only tells it.")
            else:
                yield from self._check_value(scope, name, node, choose(known[name].type))
        for name, rule in known.items():
            if complete and rule.required and name not in listed:
                yield self.file.find(at, f"the property {name} is missing.")

    def _check_value(self, scope: Scope, name: str, node: Node, choice: Choice) -> Iterator[Finding]:
        for shape in scope.shapes(node):
            if shape.kind is None or choice.kind is None:
                continue
            if shape.kind != choice.kind:
                yield self.file.find(node, f"{name} must be {_article(choice.kind)}, not {_article(shape.kind)}.")
            elif choice.values and shape.known and shape.literal not in choice.values:
                expected = ", ".join(map(str, choice.values))
                yield self.file.find(node, f"{name} cannot be {shape.literal!r}: it is one of {expected}.")
            else:
                yield from self._check_inside(scope, name, shape, choice)

    def _check_inside(self, scope: Scope, name: str, shape: Shape, choice: Choice) -> Iterator[Finding]:
        if choice.kind == "array" and choice.element is not None:
            for inside, each in scope.items(shape):
                yield from self._check_value(inside, f"each of {name}", each, choose(choice.element))
        elif shape.node is None or shape.node.type != "object":
            return
        elif choice.model is not None:
            known = dict(list_properties(choice.model))
            yield from self._check_properties(
                scope, shape.node, properties(shape.node), known, complete=not shape.partial
            )
        elif choice.element is not None:
            for key, each in properties(shape.node).items():
                yield from self._check_value(scope, key, each, choose(choice.element))


def _article(kind: str) -> str:
    return f"an {kind}" if kind[0] in "aio" else f"a {kind}"

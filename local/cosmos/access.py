"""Refuse writes as the service does when an identity has lost its role."""

from local.cosmos.errors import CosmosError
from local.cosmos.matching import Request

NO_PERMISSION = 5301
_ACTIONS = {
    "create_document": "create",
    "upsert_document": "upsert",
    "replace_document": "replace",
    "patch_document": "replace",
    "delete_document": "delete",
    "execute_batch": "create",
}


class Access:
    """Know the databases whose documents nobody may write; other databases, such as that of leases, go on."""

    def __init__(self) -> None:
        self._refused: set[str] = set()

    def refuse_writes(self, database: str) -> None:
        """Refuse writes of documents of a database from now on."""
        self._refused.add(database)

    def allow_writes(self, database: str) -> None:
        """Accept them again."""
        self._refused.discard(database)

    def check(self, request: Request) -> None:
        """Raise 403 for a write that is refused."""
        action = _ACTIONS.get(request.operation)
        database = request.path.split("/")[2] if action is not None else ""
        if database in self._refused:
            # The words are those of https://github.com/Azure/azure-cosmos-dotnet-v3/issues/2891.
            raise CosmosError(
                403,
                "Request blocked by Auth local : Request is blocked because principal [application] does not have "
                "required RBAC permissions to perform action "
                f"[Microsoft.DocumentDB/databaseAccounts/sqlDatabases/containers/items/{action}] on resource "
                f"[dbs/{database}]. Learn more: https://aka.ms/cosmos-native-rbac.",
                substatus=NO_PERMISSION,
            )

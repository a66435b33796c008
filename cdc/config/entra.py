"""Entra identities, for stores that are reached without a secret.

azure-identity takes time to load: it is imported where an identity is made, so that only who has one waits for it.
"""

import base64
import json
from collections.abc import Callable

from azure.core.credentials import TokenCredential
from azure.core.exceptions import AzureError

from cdc.core.errors import TransientError

_REDIS_SCOPE = "https://redis.azure.com/.default"
_POSTGRES_SCOPE = "https://ossrdbms-aad.database.windows.net/.default"


def managed_identity(client_id: str | None) -> TokenCredential:
    """Return the app's user-assigned identity with this client id, or its system-assigned identity without one."""
    from azure.identity import ManagedIdentityCredential

    return ManagedIdentityCredential(client_id=client_id)


def default_identity(client_id: str | None = None) -> TokenCredential:
    """Return the identity of the environment: the app's in Azure, the developer's elsewhere."""
    from azure.identity import DefaultAzureCredential

    # Passing None would override AZURE_CLIENT_ID.
    return DefaultAzureCredential(managed_identity_client_id=client_id) if client_id else DefaultAzureCredential()


def find_identity(name: str | None) -> TokenCredential | None:
    """Return the identity that a setting names: `default`, or a client id; None without a name."""
    if name is None:
        return None
    return default_identity() if name == "default" else managed_identity(name)


def token_password(credential: TokenCredential) -> Callable[[], str]:
    """Return a function that returns a valid token as the PostgreSQL password at every call."""

    def fetch() -> str:
        try:
            return credential.get_token(_POSTGRES_SCOPE).token
        except AzureError as error:
            raise no_token("PostgreSQL: check POSTGRES_IDENTITY", error) from None

    return fetch


def redis_login(credential: TokenCredential) -> Callable[[], tuple[str, str]]:
    """Return a function that returns the identity's object id, its name in Redis, and a valid token at every call."""

    def fetch() -> tuple[str, str]:
        try:
            token = credential.get_token(_REDIS_SCOPE).token
        except AzureError as error:
            raise no_token("Redis: check REDIS_IDENTITY", error) from None
        return _read_object_id(token), token

    return fetch


def _read_object_id(token: str) -> str:
    # Only read here: Redis verifies the token.
    claims = token.split(".")[1]
    return str(json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))["oid"])


def no_token(store_and_advice: str, error: AzureError) -> TransientError:
    """Report that Entra gave no token; its own message names tenants and identities, so it is only `detail`."""
    return TransientError(f"Entra gives no token for {store_and_advice}.", detail=str(error).partition("\n")[0])

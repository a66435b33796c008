"""Entra identities: what stands for a secret where a store is reached without one."""

from collections.abc import Callable

from azure.core.credentials import TokenCredential
from azure.core.exceptions import AzureError
from azure.identity import DefaultAzureCredential, ManagedIdentityCredential

from cdc.core.errors import TransientError

_POSTGRES_SCOPE = "https://ossrdbms-aad.database.windows.net/.default"


def managed_identity(client_id: str | None) -> TokenCredential:
    """Return the app's user-assigned identity of this client id, its system-assigned one where there is none."""
    return ManagedIdentityCredential(client_id=client_id)


def default_identity(client_id: str | None = None) -> TokenCredential:
    """Return whatever identity is there: the app's in Azure, the developer's elsewhere."""
    # None would hide AZURE_CLIENT_ID.
    return DefaultAzureCredential(managed_identity_client_id=client_id) if client_id else DefaultAzureCredential()


def token_password(credential: TokenCredential) -> Callable[[], str]:
    """Return what yields a password for PostgreSQL: a valid token, whenever it is called."""

    def fetch() -> str:
        try:
            return credential.get_token(_POSTGRES_SCOPE).token
        except AzureError as error:
            raise no_token("PostgreSQL: check the identity of POSTGRES_IDENTITY", error) from None

    return fetch


def no_token(store_and_advice: str, error: AzureError) -> TransientError:
    """Say that Entra gave no token; its own words name tenants and identities, so they are for a terminal."""
    return TransientError(f"Entra gives no token for {store_and_advice}.", detail=str(error).partition("\n")[0])

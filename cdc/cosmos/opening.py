"""Open the account that the settings name."""

from cdc.config import entra
from cdc.config.source_settings import SourceSettings
from cdc.cosmos.account import CosmosAccount


def open_account(settings: SourceSettings) -> CosmosAccount:
    """Return the account; it connects on first use."""
    database = settings.cosmos_database
    if settings.cosmos_connection is not None:
        return CosmosAccount(settings.cosmos_connection.get_secret_value(), database)
    find = entra.default_identity if settings.cosmos_credential is None else entra.managed_identity
    return CosmosAccount(str(settings.cosmos_endpoint), database, find(settings.cosmos_client_id))

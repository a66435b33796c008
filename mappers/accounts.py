"""Accounts: one row an account, one child row a completed scenario."""

from cdc.model import Rows
from mappers import tables
from mappers.documents import DocumentMapper, DocumentModel, RootDocument, renamed
from mappers.fields import CommaList, Instant, InstantText, Text


class Subscription(DocumentModel):
    """An account's subscription; its purchase token is a secret and is not read."""

    id: Text | None = None
    type: int = 0
    product_id: Text | None = ""
    valid_until: InstantText | None = None
    is_active: bool = False
    last_verified: InstantText | None = None
    purchased_scenarios: CommaList = []
    tier: Text | None = "Free"
    start_date: InstantText | None = None
    end_date: InstantText | None = None


class Settings(DocumentModel):
    """An account's preferences."""

    id: Text | None = None
    cache_credentials: bool = False
    require_auth_on_startup: bool = False
    preferred_language: Text | None = "en"
    notifications_enabled: bool = False
    theme: Text | None = None


class Account(RootDocument):
    """A document of the container Accounts."""

    unmapped = (
        *("AuthProvider", "EmailConfirmed", "EntraObjectId", "FailedLoginAttempts", "LockoutEndAt", "NormalizedEmail"),
        *("Status", "TwoFactorEnabled", "Type"),
    )

    external_user_id: Text | None = renamed("ExternalProviderId", "ExternalUserId", "Auth0UserId", default=None)
    email: Text
    display_name: Text | None = None
    role: Text | None = None
    user_profile_ids: CommaList = []
    completed_scenario_ids: CommaList = []
    subscription: Subscription | None = None
    settings: Settings | None = None
    created_at: Instant = None
    last_login_at: Instant = None


def map_account(account: Account) -> Rows:
    """Return an account's rows; keys inside the JSON columns stay as the application spells them."""
    # A set in meaning: the application appends without looking.
    completed = dict.fromkeys(account.completed_scenario_ids)
    return Rows(
        root={
            "id": account.id,
            "external_user_id": account.external_user_id,
            "email": account.email,
            "display_name": account.display_name,
            "role": account.role,
            "user_profile_ids": account.user_profile_ids,
            "completed_scenario_ids": account.completed_scenario_ids,
            "subscription": {} if account.subscription is None else account.subscription.as_json(),
            "settings": {} if account.settings is None else account.settings.as_json(),
            "created_at": account.created_at,
            "last_login_at": account.last_login_at,
        },
        children={"completed_scenarios": [{"account_id": account.id, "scenario_id": id_} for id_ in completed]},
    )


ACCOUNTS = DocumentMapper(
    container="Accounts",
    document=Account,
    tables=(tables.accounts, tables.completed_scenarios),
    rows=map_account,
)

"""Accounts: one row per account, one child row per completed scenario."""

from cdc.core.application import Lookup, ParentRule, UniqueRule
from cdc.core.document_models import renamed
from cdc.core.document_reader import DocumentReader
from cdc.core.fields import CommaList, Text
from cdc.core.instants import Instant, InstantText
from cdc.core.mapping import Mapper, Rows
from mappers import tables
from mappers.conventions import Document, JsonPart


class Subscription(JsonPart):
    """An account's subscription; its purchase token is a secret and is not read."""

    Id: Text | None = None
    Type: int = 0
    ProductId: Text | None = ""
    ValidUntil: InstantText | None = None
    IsActive: bool = False
    LastVerified: InstantText | None = None
    PurchasedScenarios: CommaList = []
    Tier: Text | None = "Free"
    StartDate: InstantText | None = None
    EndDate: InstantText | None = None


class Settings(JsonPart):
    """An account's preferences."""

    Id: Text | None = None
    CacheCredentials: bool = False
    RequireAuthOnStartup: bool = False
    PreferredLanguage: Text | None = "en"
    NotificationsEnabled: bool = False
    Theme: Text | None = None


class Account(Document):
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
    """Return an account's rows; keys inside JSON columns keep the application's spelling."""
    # Remove duplicates: the application appends without checking.
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


ACCOUNTS = Mapper(
    container="Accounts",
    reader=DocumentReader(Account),
    tables=(tables.accounts, tables.completed_scenarios),
    rows=map_account,
    lookups=(
        Lookup(tables.accounts, "lower(email) = ''", "ix_accounts_lower_email", "(lower(email))"),
        Lookup(tables.accounts, "external_user_id = ''", "ix_accounts_external_user_id", "(external_user_id)"),
        Lookup(tables.completed_scenarios, "account_id = ''", "completed_scenarios_pkey", "(account_id, scenario_id)"),
    ),
    rules=(
        UniqueRule("ix_accounts_email", tables.accounts, ("email",)),
        ParentRule("fk_completed_scenarios_accounts", tables.completed_scenarios, "account_id", tables.accounts),
    ),
    # Both spellings: Cosmos keeps an e-mail as it was typed, and a look-up in PostgreSQL compares it in lower case.
    cache_keys=(
        "'account:' || id",
        "'account:email:' || email",
        "'account:email:' || lower(email)",
        "'mystira:account:' || id",
    ),
)

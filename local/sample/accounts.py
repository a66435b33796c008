"""Accounts, as every generation of the application writes them."""

from local.sample.values import NEVER, Document, Generation, Values, stamp, toggle_deleted


def make_account(values: Values, generation: Generation) -> Document:
    """Return a new account without profiles."""
    name, now, id_ = values.name(), values.now(), values.id(generation)
    email = f"{name if values.chance(0.2) else 'family'}.{id_[-8:]}@example.com"
    account: Document = {
        "id": id_,
        "CompletedScenarioIds": [values.scenario() for _ in range(values.random.randint(0, 3))],
        "CreatedAt": now,
        "DisplayName": name,
        "Email": email,
        "LastLoginAt": now,
        "Role": "Guest",
        "UserProfileIds": "",
        "Settings": _settings(values),
        "Subscription": _subscription(values, now),
    }
    match generation:
        case "A":
            account |= {"Auth0UserId": f"auth0|{values.guid()[:8]}"}
            account |= {"Settings": _without(account["Settings"], "Id", "Theme")}
            account |= {"Subscription": _without(account["Subscription"], "Id", "Tier", "StartDate", "EndDate")}
        case "B":
            account |= {"Auth0UserId": f"auth0|{values.guid()[:8]}"}
        case "C":
            account |= {"ExternalUserId": values.guid()}
        case "D":
            account |= _additions(values, account)
    return stamp(account, "Account", generation)


def change_account(values: Values, account: Document) -> None:
    """Let somebody sign in; now and then more happens."""
    if account.get("IsDeleted") or ("IsDeleted" in account and values.chance(0.03)):
        toggle_deleted(account, values.now())
        return
    account["LastLoginAt"] = values.now()
    if "Discriminator" in account and values.chance(0.5):
        _save_with_newer_application(values, account)
    if values.chance(0.5):
        account["CompletedScenarioIds"] = [*(account["CompletedScenarioIds"] or [])[-5:], values.scenario()]
    if values.chance(0.1):
        account["Subscription"] |= {"PurchasedScenarios": f"{values.guid()},{values.guid()}", "Type": 2, "Tier": "Gold"}


def _save_with_newer_application(values: Values, account: Document) -> None:
    # The provider patches the document that it has read: what the newer class does not know stays as it was.
    account |= {"$type": "Account", "ExternalUserId": values.guid()}
    account["Subscription"] = {"Id": values.guid(), "Tier": "Free", "EndDate": NEVER, **account["Subscription"]}


def _settings(values: Values) -> Document:
    return {
        "CacheCredentials": True,
        "Id": values.guid(),
        "NotificationsEnabled": True,
        "PreferredLanguage": values.random.choice(("en", "en", "af", "zu")),
        "RequireAuthOnStartup": False,
        "Theme": "Light",
    }


def _subscription(values: Values, now: str) -> Document:
    return {
        "EndDate": NEVER,
        "Id": values.guid(),
        "IsActive": True,
        "LastVerified": None,
        "ProductId": "",
        "PurchaseToken": f"secret-{values.guid()}" if values.chance(0.2) else None,
        "PurchasedScenarios": "",
        "StartDate": now,
        "Tier": "Free",
        "Type": 0,
        "ValidUntil": None,
    }


def _additions(values: Values, account: Document) -> Document:
    external = values.guid()
    return {
        "ExternalProviderId": external,
        "ExternalUserId": external,
        "NormalizedEmail": account["Email"].upper(),
        "EmailConfirmed": True,
        "PasswordHash": f"secret-{values.guid()}",
        "SecurityStamp": f"secret-{values.guid()}",
        "RefreshToken": f"secret-{values.guid()}",
        "RefreshTokenExpiresAt": values.now(),
        "TwoFactorEnabled": False,
        "TwoFactorSecretKey": None,
        "Status": 0,
        "Type": 0,
        "AuthProvider": 4,
        "EntraObjectId": None,
        "FailedLoginAttempts": 0,
        "LockoutEndAt": None,
        "Role": None,
        "CompletedScenarioIds": account["CompletedScenarioIds"] or None,
        "LastLoginAt": account["LastLoginAt"] if values.chance(0.5) else None,
        "Settings": account["Settings"] if values.chance(0.5) else None,
        "UpdatedAt": None,
        "CreatedBy": None,
        "UpdatedBy": None,
        "IsDeleted": False,
        "DeletedAt": None,
        "DeletedBy": None,
    }


def _without(document: Document, *names: str) -> Document:
    return {name: value for name, value in document.items() if name not in names}

"""Builders of what tests need, with defaults that mean nothing."""

from typing import Any

from cdc.model import Change, Identity, JsonObject, Version

TS = 1_700_000_000
_DEFAULT: Any = object()


def a_change(
    id_: str = "a",
    *,
    container: str = "Accounts",
    partition_key: object = _DEFAULT,
    version: Version | None = None,
    body: JsonObject | None = _DEFAULT,
    absence: bool = False,
) -> Change:
    """Build an upsert of an account that the mapper takes; `body=None` makes it a delete."""
    identity = Identity.of(container, id_ if partition_key is _DEFAULT else partition_key, id_)
    return Change(identity, version or a_version(), an_account(id_) if body is _DEFAULT else body, absence)


def a_version(ts: int = 0, lsn: int | None = None, etag: str | None = None) -> Version:
    """Build a version `ts` seconds after TS; without an etag, one that no other `ts` and `lsn` has."""
    return Version(TS + ts, lsn, f'"{ts}-{lsn}"' if etag is None else etag)


def an_account(id_: str = "a", **overrides: object) -> JsonObject:
    """Build the body of an Accounts document of generation C."""
    return {
        "id": id_,
        "$type": "Account",
        "CompletedScenarioIds": ["scenario-1"],
        "CreatedAt": "2025-12-14T08:02:11.5093127Z",
        "DisplayName": "Thandi M",
        "Email": "thandi@example.com",
        "ExternalUserId": "external-1",
        "LastLoginAt": "2026-01-10T17:45:00.1234567Z",
        "Role": "Guest",
        "UserProfileIds": "profile-1,profile-2",
        "Settings": {"Id": "settings-1", "CacheCredentials": True, "PreferredLanguage": "en", "Theme": "Light"},
        "Subscription": {"Id": "subscription-1", "IsActive": True, "PurchasedScenarios": "", "Tier": "Free", "Type": 0},
        **overrides,
    }


def a_profile(id_: str = "p", **overrides: object) -> JsonObject:
    """Build the body of a UserProfiles document of generation C, with one badge."""
    return {
        "id": id_,
        "$type": "UserProfile",
        "AccountId": "a",
        "AgeGroupName": "6-9",
        "Bio": None,
        "CreatedAt": "2025-12-14T08:05:44.0012345Z",
        "DateOfBirth": "2017-05-04T00:00:00",
        "HasCompletedOnboarding": True,
        "IsGuest": False,
        "IsNpc": False,
        "Name": "Lerato",
        "PreferredFantasyThemes": "Magic & Wizards,Animal Companions",
        "UpdatedAt": "2026-01-09T15:20:31.9Z",
        "EarnedBadges": [a_badge()],
        **overrides,
    }


def a_badge(id_: str = "badge-1", **overrides: object) -> JsonObject:
    """Build one item of EarnedBadges."""
    return {
        "Id": id_,
        "Axis": "Self-Regulation",
        "BadgeConfigurationId": "badge_self_reg_1",
        "BadgeName": "Calm Explorer",
        "EarnedAt": "2026-01-09T15:20:31.8123456Z",
        "Threshold": 5.0,
        "TriggerValue": 6.5,
        **overrides,
    }

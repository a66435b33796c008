"""Builders of what tests need, with defaults that mean nothing."""

import json
from decimal import Decimal
from typing import Any

from sqlalchemy import Table

from cdc.core.documents import Change, Identity, JsonObject, Version
from cdc.core.json_text import JsonText
from cdc.core.mapping import Mapper, Row, Rows, Tuples, Values
from cdc.postgres.rows import name_values

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
    follows: int | None = None,
) -> Change:
    """Build an upsert of an account that the mapper takes; `body=None` makes it a delete."""
    identity = Identity.of(container, id_ if partition_key is _DEFAULT else partition_key, id_)
    return Change(identity, version or a_version(), an_account(id_) if body is _DEFAULT else body, absence, follows)


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


def an_upsert(
    id_: str = "a", ts: int = 0, lsn: int | None = None, row: str | None = None, **overrides: object
) -> Change:
    """Build a version of an account whose row may have another id than the document."""
    return a_change(id_, version=a_version(ts, lsn), body=an_account(row or id_, **overrides))


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


def a_session(id_: str = "s", **overrides: object) -> JsonObject:
    """Build the body of a GameSessions document of generation C."""
    return {
        "id": id_,
        "$type": "GameSession",
        "accountId": "a",
        "Achievements": [{"Id": "achievement-1", "EarnedAt": "2026-01-09T15:08:40Z", "ThresholdValue": 0.0, "Type": 1}],
        "CharacterAssignments": [{"CharacterId": "pip", "PlayerAssignment": {"GuestName": "Sam", "Type": "Guest"}}],
        "ChoiceHistory": [{"ChoiceText": "Count to five", "EchoGenerated": None, "PlayerId": "p"}],
        "CompassValues": '{"Self-Regulation":{"CurrentValue":0.5,"History":[]}}',
        "CurrentSceneId": "scene-07",
        "EchoHistory": [],
        "ElapsedTime": "00:12:34.5678901",
        "EndTime": None,
        "IsPaused": False,
        "PausedAt": None,
        "PlayerCompassProgressTotals": [{"Axis": "Self-Regulation", "PlayerId": "p", "Total": 0.5}],
        "PlayerNames": "Lerato,Sam",
        "ProfileId": "p",
        "ScenarioId": "scenario-1",
        "SceneCount": 18,
        "SelectedCharacterId": None,
        "StartTime": "2026-01-09T15:07:55.5Z",
        "Status": 1,
        "TargetAgeGroup": {"MaximumAge": 9, "MinimumAge": 6, "Value": "6-9"},
        "TargetAgeGroupName": "6-9",
        **overrides,
    }


def a_score(id_: str = "score", **overrides: object) -> JsonObject:
    """Build the body of a PlayerScenarioScores document of generation C."""
    return {
        "id": id_,
        "$type": "PlayerScenarioScore",
        "AxisScores": '{"Self-Regulation":6.5}',
        "CreatedAt": "2026-01-09T15:20:31.5Z",
        "GameSessionId": "s",
        "ProfileId": "p",
        "ScenarioId": "scenario-1",
        **overrides,
    }


def by_column(mapper: Mapper[Any], rows: Tuples) -> Rows:
    """Return a document's rows as its mapper wrote them; fractions in JSON that it wrote have all their digits."""
    tables = {table.name: table for table in mapper.tables}
    return Rows(
        None if rows.root is None else _name_values(mapper.tables[0], rows.root),
        {name: [_name_values(tables[name], row) for row in found] for name, found in rows.children.items()},
        rows.observations,
    )


def _name_values(table: Table, row: Values) -> Row:
    values = name_values(table, row)
    return {
        name: json.loads(it.text, parse_float=Decimal) if isinstance(it, JsonText) else it
        for name, it in values.items()
    }

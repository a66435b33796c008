"""What each column must hold, by a list of fields of the comparison's own."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

Json = dict[str, Any]
Expected = Callable[[Json], object]


@dataclass(frozen=True, slots=True)
class Child:
    """A child table: its rows by key, and where a document holds them."""

    table: str
    parent: str
    key: str
    items: Callable[[Json], list[Json]]
    fields: Mapping[str, Expected]


@dataclass(frozen=True, slots=True)
class Container:
    """A container, its root table, and what each column must hold."""

    name: str
    table: str
    fields: Mapping[str, Expected]
    child: Child


def _same(name: str) -> Expected:
    return lambda document: document.get(name)


def _default(name: str, default: object) -> Expected:
    return lambda document: default if document.get(name) is None else document[name]


def _instant(name: str) -> Expected:
    def read(document: Json) -> datetime | None:
        text = document.get(name)
        if text is None:
            return None
        # Microseconds are what PostgreSQL keeps; .NET writes a digit more.
        instant = datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", text))
        return instant.astimezone(UTC) if instant.tzinfo else instant.replace(tzinfo=UTC)

    return read


def _day(name: str) -> Expected:
    return lambda document: None if document.get(name) is None else date.fromisoformat(document[name][:10])


def _commas(name: str) -> Expected:
    return lambda document: [part for part in (document.get(name) or "").split(",") if part]


def _subscription(document: Json) -> Json:
    subscription = {name: value for name, value in document.get("Subscription", {}).items() if name != "PurchaseToken"}
    if not subscription:
        return {}
    return subscription | {"PurchasedScenarios": _commas("PurchasedScenarios")(subscription)}


def _completed(document: Json) -> list[Json]:
    return [{"ScenarioId": id_} for id_ in set(document.get("CompletedScenarioIds") or [])]


CONTAINERS = (
    Container(
        "Accounts",
        "accounts",
        {
            "id": _same("id"),
            "external_user_id": _same("ExternalUserId"),
            "email": _same("Email"),
            "display_name": _same("DisplayName"),
            "role": _same("Role"),
            "user_profile_ids": _commas("UserProfileIds"),
            "completed_scenario_ids": _default("CompletedScenarioIds", []),
            "subscription": _subscription,
            "settings": _default("Settings", {}),
            "created_at": _instant("CreatedAt"),
            "last_login_at": _instant("LastLoginAt"),
        },
        Child("completed_scenarios", "account_id", "scenario_id", _completed, {"scenario_id": _same("ScenarioId")}),
    ),
    Container(
        "UserProfiles",
        "user_profiles",
        {
            "id": _same("id"),
            "account_id": _same("AccountId"),
            "name": _same("Name"),
            "age_group": _same("AgeGroupName"),
            "date_of_birth": _day("DateOfBirth"),
            "is_guest": _default("IsGuest", False),
            "is_npc": _default("IsNpc", False),
            "pronouns": _same("Pronouns"),
            "bio": _same("Bio"),
            "avatar_media_id": _same("AvatarMediaId"),
            "selected_avatar_media_id": _same("SelectedAvatarMediaId"),
            "preferred_themes": _commas("PreferredFantasyThemes"),
            "has_completed_onboarding": _default("HasCompletedOnboarding", False),
            "created_at": _instant("CreatedAt"),
            "updated_at": _instant("UpdatedAt"),
        },
        Child(
            "user_badges",
            "user_profile_id",
            "id",
            lambda document: document.get("EarnedBadges") or [],
            {
                "id": _same("Id"),
                "badge_configuration_id": _same("BadgeConfigurationId"),
                "badge_id": _same("BadgeId"),
                "badge_name": _same("BadgeName"),
                "badge_message": _same("BadgeMessage"),
                "axis": _same("Axis"),
                "trigger_value": _same("TriggerValue"),
                "threshold": _same("Threshold"),
                "earned_at": _instant("EarnedAt"),
                "game_session_id": _same("GameSessionId"),
                "scenario_id": _same("ScenarioId"),
                "image_id": _same("ImageId"),
            },
        ),
    ),
)

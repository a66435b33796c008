"""Documents by the thousand from a seed: every container, generation and writer, with odd but legal values."""

import copy
import json
import random
from collections.abc import Iterator
from typing import Any

from cdc.core.documents import JsonObject
from tests.golden import read_bases

CONTAINERS = ("Accounts", "UserProfiles", "GameSessions", "PlayerScenarioScores", "PendingSignups")

_INSTANTS = (
    "2026-01-09T15:20:31.8123456Z",
    "2026-01-09T15:20:31Z",
    "2026-01-09T15:20:31.9",
    "2026-02-28T23:59:59.9999999+02:00",
    "2024-02-29",
    "1969-12-31T23:59:59.1Z",
    "0001-01-01T00:00:00",
    "9999-12-31T23:59:59.9999999",
)
_DAYS = ("2017-05-04T00:00:00", "2016-05-04", "2016-02-29T22:00:00Z", "2016-12-31T23:30:00-05:00")
_DURATIONS = ("00:12:34.5678901", "1.02:03:04", "00:00:00", "-00:00:00.5", "23:59:59.9999999")
_TEXTS = ("", " ", "Zoë 🦊", 'O\'Brien "%s" \\ {x}', "\\u0000", "line\nline\u2028\t", "null", "a" * 3000, "a,b", "{}")
_LISTS = ("", "one", "a,b", "Björn, jr,Sam", ",", [], ["a", "b,c", ""], ["a", "a"])
_AXES = (
    {},
    {"Courage": 1},
    {"Courage": 1, "refresh_token": "x", "Code": 2},
    {"Courage": 6.5, "Curiosity & Initiative": -1.25, "": 0},
    {"Courage": 1, "COURAGE": 2**70},
)
_ITEMS = (
    [],
    {},
    [{"Type": "Guest", "GuestName": "Sam"}],
    [{"Type": 1, "Extra": None}, None, 7, 1e-7, 2**70, "x"],
    [{"Type": 1, "passwordHash": "x", "Inner": {"SecurityStamp": []}, "Json": '[{"CODE":1,"a":2}]'}],
)
_FLAGS = (True, False)
_COUNTS = (0, 1, 18.0, -1, 2**31 - 1)
_SCORES = (0, 5.0, -1.25, 1e300, 2**40)
_NUMBERS = (0, 1, 2, 3, 4)
_JSON_TEXTS = (
    "",
    "null",
    "{}",
    "[]",
    '{"Courage":0.1234567890123456789012345678,"tiny":1e-400,"big":1e400,"whole":1.50,"zero":-0}',
    *(json.dumps(value) for value in (*_AXES, *_ITEMS)),
    json.dumps(json.dumps(_AXES)),
)

_LEGAL: dict[str, tuple[Any, ...]] = {
    **dict.fromkeys(("CreatedAt", "UpdatedAt", "LastLoginAt", "EarnedAt", "ValidUntil", "LastVerified"), _INSTANTS),
    **dict.fromkeys(("StartTime", "EndTime", "StartedAt", "EndedAt", "PausedAt", "StartDate", "EndDate"), _INSTANTS),
    **dict.fromkeys(("ExpiresAt", "VerificationTokenExpiresAt", "ConsumedAt"), _INSTANTS),
    **dict.fromkeys(("DisplayName", "Name", "Email", "email", "Role", "Pronouns", "Bio", "AgeGroupName"), _TEXTS),
    **dict.fromkeys(("ExternalProviderId", "ExternalUserId", "Auth0UserId", "AccountId", "ProfileId"), _TEXTS),
    **dict.fromkeys(("AgeGroupId", "AvatarMediaId", "SelectedAvatarMediaId", "BadgeId", "BadgeName"), _TEXTS),
    **dict.fromkeys(("BadgeMessage", "Axis", "ImageId", "ScenarioId", "GameSessionId", "CurrentSceneId"), _TEXTS),
    **dict.fromkeys(("SelectedCharacterId", "TargetAgeGroupName", "BadgeConfigurationId", "UserId"), _TEXTS),
    **dict.fromkeys(("ProductId", "Tier", "Theme", "PreferredLanguage", "TargetAgeGroup"), _TEXTS),
    **dict.fromkeys(("UserProfileIds", "CompletedScenarioIds", "PurchasedScenarios", "PlayerNames"), _LISTS),
    **dict.fromkeys(("ChoiceHistory", "EchoHistory", "Achievements", "CharacterAssignments"), _ITEMS),
    **dict.fromkeys(("CompassValues", "AxisScores"), (*_JSON_TEXTS, *_AXES)),
    **dict.fromkeys(("IsGuest", "IsNpc", "OnboardingCompleted", "HasCompletedOnboarding", "IsPaused"), _FLAGS),
    **dict.fromkeys(("IsUsed", "IsSignin", "IsActive", "CacheCredentials", "NotificationsEnabled"), _FLAGS),
    "RequireAuthOnStartup": _FLAGS,
    "PlayerCompassProgressTotals": (*_JSON_TEXTS, *_ITEMS),
    "PreferredFantasyThemes": _LISTS,
    "DateOfBirth": _DAYS,
    "ElapsedTime": _DURATIONS,
    "SceneCount": _COUNTS,
    "FailedAttempts": _COUNTS,
    "TriggerValue": _SCORES,
    "Threshold": _SCORES,
    "Status": (*_NUMBERS, "Active", "Paused", "Expired"),
    "Type": _NUMBERS,
    "Value": _TEXTS,
}
# What a document must have, and what the application's classes cannot leave null.
_REQUIRED = {
    "AccountId",
    "Name",
    "DisplayName",
    "Email",
    "email",
    "ScenarioId",
    "UserId",
    "ProfileId",
    "BadgeConfigurationId",
    "accountId",
}
_NEVER_NULL = {"Type", "IsActive", "CacheCredentials", "RequireAuthOnStartup", "NotificationsEnabled"}
_OBJECTS = ("Settings", "Subscription", "EarnedBadges")


def corpus(seed: int, count: int) -> Iterator[tuple[str, JsonObject]]:
    """Yield documents with their containers, as many of each generation; every id is another."""
    chance = random.Random(seed)
    shapes = [
        (container, document) for container in CONTAINERS for _, (document, _) in sorted(read_bases(container).items())
    ]
    for number in range(count):
        container, shape = shapes[number % len(shapes)]
        yield container, _vary(chance, shape, number)


def _vary(chance: random.Random, shape: JsonObject, number: int) -> JsonObject:
    document = _vary_object(chance, copy.deepcopy(shape))
    for name in {"id", "Id"} & document.keys():
        document[name] = f"{document[name]}-{number}"
    if chance.random() < 0.05:
        document["IsDeleted"] = chance.choice((True, False, None))
    if chance.random() < 0.05:
        document[f"Unknown{chance.randint(1, 3)}"] = chance.choice(_TEXTS)
    optional = sorted(document.keys() & _LEGAL.keys() - _REQUIRED)
    if optional and chance.random() < 0.05:
        name = chance.choice(optional)
        document[name[0].lower() + name[1:]] = document.pop(name)
    return document


def _vary_object(chance: random.Random, value: JsonObject) -> JsonObject:
    """Leave each property as it is, or leave it out, make it null, or give it another legal value; in any order."""
    varied = {}
    for name in chance.sample(sorted(value), len(value)):
        choice = chance.random()
        if name in _OBJECTS and choice < 0.7:
            varied[name] = _vary_inside(chance, value[name])
        elif choice < 0.5 or name not in (*_LEGAL, *_OBJECTS):
            varied[name] = value[name]
        elif choice < 0.8 and name in _LEGAL:
            varied[name] = chance.choice(_LEGAL[name])
        elif choice < 0.9 and name not in _REQUIRED | _NEVER_NULL:
            varied[name] = None
        elif name in _REQUIRED:
            varied[name] = value[name]
    return varied


def _vary_inside(chance: random.Random, value: Any) -> Any:
    if isinstance(value, list):
        return [_vary_object(chance, item) for item in value]
    return value and _vary_object(chance, value)

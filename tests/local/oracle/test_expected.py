"""What the comparison expects of documents of each generation, checked by hand."""

import json
from datetime import UTC, date, datetime, timedelta

import pytest

from local.oracle.expected import TYPES
from local.oracle.types import find_type

GUID = "5f0c1f2a-110d-4c9a-823b-584c1c9a1a0c"
EXPECTED = {each.container: each for each in TYPES}


def read(container, **document):
    """Return what a container's columns must hold for a document."""
    return {column: expected(document) for column, expected in EXPECTED[container].fields.items()}


def test_an_account_of_generation_a():
    """Key with a type, the oldest external identity, a subscription that lacks its later properties."""
    subscription = {"IsActive": True, "PurchaseToken": "secret", "PurchasedScenarios": "a,b", "Type": 1}
    row = read(
        "Accounts",
        Id=GUID,
        id=f"Account|{GUID}",
        Discriminator="Account",
        Auth0UserId="auth0|65f1c2",
        Email="Thandi@example.com",
        UserProfileIds="",
        CompletedScenarioIds=None,
        CreatedAt="2025-11-12T08:02:11.5093127Z",
        LastLoginAt="0001-01-01T00:00:00",
        Subscription=subscription,
        Settings={"CacheCredentials": True},
    )

    assert row == {
        "id": GUID,
        "external_user_id": "auth0|65f1c2",
        "email": "Thandi@example.com",
        "display_name": None,
        "role": None,
        "user_profile_ids": [],
        "completed_scenario_ids": [],
        "subscription": {
            "Id": None,
            "Type": 1,
            "ProductId": "",
            "ValidUntil": None,
            "IsActive": True,
            "LastVerified": None,
            "PurchasedScenarios": ["a", "b"],
            "Tier": "Free",
            "StartDate": None,
            "EndDate": None,
        },
        "settings": {
            "Id": None,
            "CacheCredentials": True,
            "RequireAuthOnStartup": False,
            "PreferredLanguage": "en",
            "NotificationsEnabled": False,
            "Theme": None,
        },
        "created_at": datetime(2025, 11, 12, 8, 2, 11, 509312, UTC),
        "last_login_at": None,
    }


def test_an_account_of_several_generations():
    """The newest of its external identities that says something wins."""
    document = {"id": GUID, "ExternalProviderId": "", "ExternalUserId": "new", "Auth0UserId": "old"}

    assert read("Accounts", **document)["external_user_id"] == "new"


@pytest.mark.parametrize(
    ("document", "key"),
    [
        ({"id": GUID}, GUID),
        ({"id": f"Account|{GUID}", "Id": ""}, GUID),
        ({"id": "Account|a^|b^2Fc^5Cd^3Fe^23f^g^2f"}, "a|b/c\\d?e#f^g^2f"),
        ({"id": "Other|x"}, "Other|x"),
        ({"id": "a", "Id": "b"}, "b"),
    ],
)
def test_the_key_of_an_account(document, key):
    """Id wins; else id without the type before it."""
    assert read("Accounts", **document)["id"] == key


def test_a_profile_of_generation_d_beside_its_older_properties():
    """The newer names win; only the day of a birth counts."""
    row = read(
        "UserProfiles",
        id="019A2B3C4D5E0A1B2C3D4E5F60",
        DisplayName="Mei",
        Name="Noa",
        AgeGroupId="6-9",
        AgeGroupName="school",
        OnboardingCompleted=False,
        HasCompletedOnboarding=True,
        DateOfBirth="2016-05-04",
        PreferredFantasyThemes="Magic & Wizards,Dragons & Knights",
    )

    assert (row["name"], row["age_group"], row["has_completed_onboarding"]) == ("Mei", "6-9", False)
    assert row["date_of_birth"] == date(2016, 5, 4)
    assert row["preferred_themes"] == ["Magic & Wizards", "Dragons & Knights"]
    assert (row["is_guest"], row["account_id"]) == (False, None)


def test_a_session_of_generation_a_with_an_injected_account():
    """The type's name is no account; times have no zone; the seventh digit is cut."""
    row = read(
        "GameSessions",
        id=f"GameSession|{GUID}",
        Discriminator="GameSession",
        accountId="GameSession",
        AccountId="account",
        ScenarioId="scenario",
        Status=3,
        StartTime="2025-11-12T08:02:11.5093129",
        EndTime=None,
        ElapsedTime="1.02:03:04.5",
        PlayerNames="Lerato,Sam",
        CompassValues="",
        PlayerCompassProgressTotals=None,
        TargetAgeGroup={"MaximumAge": 9, "MinimumAge": 6, "Value": "6-9"},
    )

    assert (row["id"], row["account_id"], row["status"]) == (GUID, "account", "Completed")
    assert (row["start_time"], row["end_time"]) == (datetime(2025, 11, 12, 8, 2, 11, 509312, UTC), None)
    assert row["elapsed_time"] == timedelta(days=1, hours=2, minutes=3, seconds=4.5)
    assert row["player_names"] == ["Lerato", "Sam"]
    assert (row["compass_values"], row["player_compass_progress_totals"]) == ({}, [])
    assert row["target_age_group"] == "6-9"
    assert (row["choice_history"], row["is_paused"]) == ([], None)


def test_a_session_of_generation_d():
    """Its status has other numbers, its compass values are an array, its totals an object in a text."""
    row = read(
        "GameSessions",
        id="019A2B3C4D5E0A1B2C3D4E5F60",
        accountId="account",
        HostPlayerId="profile",
        Status=3,
        StartedAt="2026-03-12T07:00:00+02:00",
        CompassValues='[{"Axis":"Empathy"}]',
        PlayerCompassProgressTotals='{"Empathy":2}',
        TargetAgeGroup="10-12",
        TargetAgeGroupName="school",
    )

    assert (row["status"], row["target_age_group"]) == ("Paused", "10-12")
    assert row["start_time"] == datetime(2026, 3, 12, 5, tzinfo=UTC)
    assert (row["compass_values"], row["player_compass_progress_totals"]) == ([{"Axis": "Empathy"}], {"Empathy": 2})


@pytest.mark.parametrize(
    ("document", "name"),
    [
        ({}, "NotStarted"),
        ({"MaxPlayers": None}, "Creating"),
        ({"Status": 1}, "InProgress"),
        ({"Status": 2, "IsDeleted": False}, "InProgress"),
        ({"Status": "Active"}, "InProgress"),
        ({"Status": 5, "StartedAt": None, "StartTime": None}, "Abandoned"),
    ],
)
def test_the_status_of_a_session(document, name):
    """A property that only generation D has tells which numbers are meant."""
    assert read("GameSessions", id="x", **document)["status"] == name


@pytest.mark.parametrize(
    ("written", "scores"),
    [
        ('{"Empathy":6.5,"empathy":1}', {"Empathy": 6.5, "empathy": 1}),
        ({"Empathy": 1}, {"Empathy": 1}),
        (json.dumps('{"Empathy":1}'), {"Empathy": 1}),
        ("", {}),
        ("null", {}),
        (None, {}),
    ],
)
def test_the_scores_of_a_profile(written, scores):
    """JSON in a text, in a text in a text, or as it is; and no session is none."""
    row = read("PlayerScenarioScores", id="x", UserId="new", ProfileId="old", GameSessionId="", AxisScores=written)

    assert (row["profile_id"], row["game_session_id"], row["axis_scores"]) == ("new", None, scores)


def test_signups_of_both_classes():
    """The older one has flags, the newer one moments."""
    old = read("PendingSignups", id="x", email="a@example.com", ExpiresAt="2025-12-14T08:15:02.1Z", IsUsed=False)
    new = read("PendingSignups", id="y", Email="b@example.com", ConsumedAt="2026-03-12T07:00:00Z")

    assert (old["email"], old["is_used"]) == ("a@example.com", False)
    assert old["expires_at"] == datetime(2025, 12, 14, 8, 15, 2, 100_000, UTC)
    assert (new["email"], new["is_used"], new["expires_at"]) == ("b@example.com", True, None)


@pytest.mark.parametrize(
    ("document", "has_rows"),
    [
        ({}, True),
        ({"$type": "Account", "Discriminator": "Other"}, True),
        ({"Discriminator": "Other"}, False),
        ({"$type": "Other"}, False),
        ({"IsDeleted": True}, False),
        ({"IsDeleted": False}, True),
    ],
)
def test_which_documents_have_rows(document, has_rows):
    """Neither those of another type nor those deleted softly."""
    found = find_type((EXPECTED["Accounts"],), {"id": "x", **document})

    assert (found is not None and found.find_key({"id": "x", **document}) is not None) is has_rows


def test_the_children_of_accounts_and_profiles():
    """Completed scenarios are a set; badges are as many as the profile holds."""
    (scenarios,) = EXPECTED["Accounts"].children
    (badges,) = EXPECTED["UserProfiles"].children

    items = scenarios.items({"CompletedScenarioIds": ["a", "b", "a"]})
    assert sorted(item["ScenarioId"] for item in items) == ["a", "b"]
    (badge,) = badges.items({"EarnedBadges": [{"Id": "x", "TriggerValue": 6.5}]})
    assert (badges.fields["id"](badge), badges.fields["trigger_value"](badge)) == ("x", 6.5)

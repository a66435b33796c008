"""What each column must hold, by a list of fields of the comparison's own."""

from local.oracle.fields import (
    Json,
    age_group,
    day,
    first,
    instant,
    is_used,
    key,
    names,
    not_empty,
    owner,
    same,
    settings,
    status,
    subscription,
    time_span,
)
from local.oracle.json_columns import items, packed
from local.oracle.types import Child, Type


def _completed(document: Json) -> list[Json]:
    return [{"ScenarioId": id_} for id_ in set(names("CompletedScenarioIds")(document))]


_COMPLETED_SCENARIOS = Child(
    "completed_scenarios", "account_id", "scenario_id", _completed, {"scenario_id": same("ScenarioId")}
)
_USER_BADGES = Child(
    "user_badges",
    "user_profile_id",
    "id",
    lambda document: document.get("EarnedBadges") or [],
    {
        "id": same("Id"),
        "badge_configuration_id": same("BadgeConfigurationId"),
        "badge_id": same("BadgeId"),
        "badge_name": same("BadgeName"),
        "badge_message": same("BadgeMessage"),
        "axis": same("Axis"),
        "trigger_value": same("TriggerValue"),
        "threshold": same("Threshold"),
        "earned_at": instant("EarnedAt"),
        "game_session_id": same("GameSessionId"),
        "scenario_id": same("ScenarioId"),
        "image_id": same("ImageId"),
    },
)

TYPES = (
    Type(
        "Accounts",
        "Account",
        "accounts",
        {
            "id": key("Account"),
            "external_user_id": first("ExternalProviderId", "ExternalUserId", "Auth0UserId"),
            "email": same("Email"),
            "display_name": same("DisplayName"),
            "role": same("Role"),
            "user_profile_ids": names("UserProfileIds"),
            "completed_scenario_ids": names("CompletedScenarioIds"),
            "subscription": subscription,
            "settings": settings,
            "created_at": instant("CreatedAt"),
            "last_login_at": instant("LastLoginAt"),
        },
        (_COMPLETED_SCENARIOS,),
    ),
    Type(
        "UserProfiles",
        "UserProfile",
        "user_profiles",
        {
            "id": key("UserProfile"),
            "account_id": same("AccountId"),
            "name": first("DisplayName", "Name"),
            "age_group": first("AgeGroupId", "AgeGroupName"),
            "date_of_birth": day("DateOfBirth"),
            "is_guest": same("IsGuest", default=False),
            "is_npc": same("IsNpc", default=False),
            "pronouns": same("Pronouns"),
            "bio": same("Bio"),
            "avatar_media_id": same("AvatarMediaId"),
            "selected_avatar_media_id": same("SelectedAvatarMediaId"),
            "preferred_themes": names("PreferredFantasyThemes"),
            "has_completed_onboarding": first("OnboardingCompleted", "HasCompletedOnboarding", default=False),
            "created_at": instant("CreatedAt"),
            "updated_at": instant("UpdatedAt"),
        },
        (_USER_BADGES,),
    ),
    Type(
        "GameSessions",
        "GameSession",
        "game_sessions",
        {
            "id": key("GameSession"),
            "scenario_id": same("ScenarioId"),
            "account_id": owner,
            "profile_id": same("ProfileId"),
            "status": status,
            "current_scene_id": same("CurrentSceneId"),
            "player_names": names("PlayerNames"),
            "choice_history": items("ChoiceHistory"),
            "echo_history": items("EchoHistory"),
            "compass_values": packed("CompassValues", {}),
            "player_compass_progress_totals": packed("PlayerCompassProgressTotals", []),
            "achievements": items("Achievements"),
            "character_assignments": items("CharacterAssignments"),
            "start_time": instant("StartedAt", "StartTime"),
            "end_time": instant("EndedAt", "EndTime"),
            "elapsed_time": time_span("ElapsedTime"),
            "is_paused": same("IsPaused"),
            "paused_at": instant("PausedAt"),
            "scene_count": same("SceneCount"),
            "target_age_group": age_group,
            "selected_character_id": same("SelectedCharacterId"),
        },
    ),
    Type(
        "PlayerScenarioScores",
        "PlayerScenarioScore",
        "player_scenario_scores",
        {
            "id": key("PlayerScenarioScore"),
            "profile_id": first("UserId", "ProfileId"),
            "scenario_id": same("ScenarioId"),
            "game_session_id": not_empty("GameSessionId"),
            "axis_scores": packed("AxisScores", {}),
            "created_at": instant("CreatedAt"),
        },
    ),
    Type(
        "PendingSignups",
        "PendingSignup",
        "pending_signups",
        {
            "id": key("PendingSignup"),
            "email": first("Email", "email"),
            "display_name": same("DisplayName"),
            "created_at": instant("CreatedAt"),
            "expires_at": instant("ExpiresAt", "VerificationTokenExpiresAt"),
            "is_used": is_used,
            "is_signin": same("IsSignin"),
            "failed_attempts": same("FailedAttempts"),
        },
        extra=True,
    ),
)

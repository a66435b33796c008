"""User profiles: one row per profile, one child row per earned badge."""

from typing import Annotated, Self

from pydantic import model_validator

from cdc.core.application import Lookup, ParentRule
from cdc.core.document_models import renamed
from cdc.core.document_reader import DocumentReader
from cdc.core.fields import CommaList, DoubleNumber, NoneAsEmpty, Text
from cdc.core.instants import Day, Instant
from cdc.core.mapping import Mapper, Row, Rows
from mappers import tables
from mappers.conventions import Document, Part


class Badge(Part):
    """A badge that a profile has earned."""

    unmapped = ("UserProfileId",)

    id: Text
    badge_configuration_id: Text
    badge_id: Text | None = None
    badge_name: Text | None = None
    badge_message: Text | None = None
    axis: Text | None = None
    trigger_value: DoubleNumber | None = None
    threshold: DoubleNumber | None = None
    earned_at: Instant = None
    game_session_id: Text | None = None
    scenario_id: Text | None = None
    image_id: Text | None = None


class UserProfile(Document):
    """A document of the container UserProfiles."""

    unmapped = (
        *("AvatarConfigurationId", "AvatarUrl", "CompassProgressJson", "CompletedScenarios", "ExperiencePoints"),
        *("FirstName", "IsPublic", "LastName", "LastPlayedAt", "Level", "MaxSessionLengthMinutes"),
        *("ParentalControlsEnabled", "PreferredLanguage", "Timezone", "TotalPlayTimeMinutes"),
    )

    account_id: Text | None = None
    name: Text = renamed("DisplayName", "Name")
    age_group: Text | None = renamed("AgeGroupId", "AgeGroupName", default=None)
    date_of_birth: Day = None
    is_guest: bool | None = None
    is_npc: bool | None = None
    pronouns: Text | None = None
    bio: Text | None = None
    avatar_media_id: Text | None = None
    selected_avatar_media_id: Text | None = None
    preferred_fantasy_themes: CommaList = []
    has_completed_onboarding: bool | None = renamed("OnboardingCompleted", "HasCompletedOnboarding", default=None)
    created_at: Instant = None
    updated_at: Instant = None
    earned_badges: Annotated[list[Badge], NoneAsEmpty] = []

    @model_validator(mode="after")
    def _refuse_repeated_badges(self) -> Self:
        # Two badges with one id: it is unknown which one is right.
        badges = self.earned_badges
        if len(badges) > 1 and len({badge.id for badge in badges}) < len(badges):
            raise ValueError("EarnedBadges must not hold two badges with one Id")
        return self


def map_user_profile(profile: UserProfile) -> Rows:
    """Return a profile's rows."""
    return Rows(
        root={
            "id": profile.id,
            "account_id": profile.account_id,
            "name": profile.name,
            "age_group": profile.age_group,
            "date_of_birth": profile.date_of_birth,
            "is_guest": profile.is_guest or False,
            "is_npc": profile.is_npc or False,
            "pronouns": profile.pronouns,
            "bio": profile.bio,
            "avatar_media_id": profile.avatar_media_id,
            "selected_avatar_media_id": profile.selected_avatar_media_id,
            "preferred_themes": profile.preferred_fantasy_themes,
            "has_completed_onboarding": profile.has_completed_onboarding or False,
            "created_at": profile.created_at,
            "updated_at": profile.updated_at,
        },
        children={"user_badges": [_badge_row(profile.id, badge) for badge in profile.earned_badges]},
    )


def _badge_row(profile_id: str, badge: Badge) -> Row:
    return {"user_profile_id": profile_id, **vars(badge)}


USER_PROFILES = Mapper(
    container="UserProfiles",
    reader=DocumentReader(UserProfile),
    tables=(tables.user_profiles, tables.user_badges),
    rows=map_user_profile,
    lookups=(
        Lookup(tables.user_profiles, "account_id = ''", "ix_user_profiles_account_id", "(account_id)"),
        Lookup(tables.user_profiles, "name = ''", "ix_user_profiles_name", "(name)"),
        Lookup(tables.user_badges, "user_profile_id = ''", "user_badges_pkey", "(user_profile_id, id)"),
        Lookup(tables.user_badges, "game_session_id = ''", "ix_user_badges_game_session_id", "(game_session_id)"),
        Lookup(tables.user_badges, "scenario_id = ''", "ix_user_badges_scenario_id", "(scenario_id)"),
    ),
    rules=(ParentRule("fk_user_badges_user_profiles", tables.user_badges, "user_profile_id", tables.user_profiles),),
    cache_keys=("'mystira:userprofile:' || id",),
)

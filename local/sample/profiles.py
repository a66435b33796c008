"""User profiles with their badges, as every generation of the application writes them."""

from local.sample.values import AGE_GROUPS, AVATARS, AXES, Document, Generation, Values, key_of, stamp

_THEMES = ("Magic & Wizards", "Animal Companions", "Dragons & Knights", "Space Explorers", "Under the Sea")
_PRONOUNS = (None, "she/her", "he/him", "they/them")
_AGE_WORDS = ("school", "preteens")


def make_profile(values: Values, generation: Generation, account_id: str) -> Document:
    """Return a new profile; a few belong to no account."""
    now, id_ = values.now(), values.id(generation)
    birthday = f"20{values.random.randint(10, 20)}-{values.random.randint(1, 12):02}-04"
    profile: Document = {
        "id": id_,
        "AccountId": None if values.chance(0.02) else account_id,
        "Bio": None,
        "CreatedAt": now,
        "IsGuest": False,
        "IsNpc": False,
        "PreferredFantasyThemes": ",".join(values.random.sample(_THEMES, values.random.randint(0, 3))),
        "Pronouns": values.random.choice(_PRONOUNS),
        "UpdatedAt": now,
        "EarnedBadges": [_badge(values, id_) for _ in range(values.random.randint(0, 2))],
    }
    avatar = values.random.choice(AVATARS)
    if generation == "D":
        profile |= _new_properties(values, avatar, birthday)
    else:
        profile |= {
            "Name": values.name(),
            "AgeGroupName": values.random.choice(_AGE_WORDS if generation == "A" else AGE_GROUPS),
            "AvatarMediaId": avatar,
            "SelectedAvatarMediaId": avatar,
            "DateOfBirth": f"{birthday}T00:00:00",
            "HasCompletedOnboarding": False,
        }
    return stamp(profile, "UserProfile", generation)


def change_profile(values: Values, profile: Document) -> None:
    """Give or take a badge, and finish the onboarding; now and then the profile gets another name."""
    profile["UpdatedAt"] = values.now()
    if values.chance(0.5):
        profile["EarnedBadges"] = [*profile["EarnedBadges"][-5:], _badge(values, key_of(profile))]
    elif profile["EarnedBadges"]:
        profile["EarnedBadges"] = profile["EarnedBadges"][1:]
    if "OnboardingCompleted" in profile:
        profile["OnboardingCompleted"] = True
    if "HasCompletedOnboarding" in profile:
        profile["HasCompletedOnboarding"] = True
    if values.chance(0.05):
        # The newer application writes the newer property; an older one beside it stays as it was.
        profile["DisplayName"] = values.name()


def _new_properties(values: Values, avatar: str, birthday: str) -> Document:
    name = values.name()
    properties: Document = {
        "DisplayName": name,
        "FirstName": name,
        "LastName": None,
        "AgeGroupId": values.random.choice(AGE_GROUPS),
        "AvatarMediaId": avatar,
        "AvatarUrl": None,
        "AvatarConfigurationId": None,
        "DateOfBirth": birthday if values.chance(0.7) else None,
        "PreferredLanguage": "en",
        "Timezone": "Africa/Johannesburg",
        "IsPublic": False,
        "ParentalControlsEnabled": True,
        "ParentalControlPinHash": f"secret-{values.guid()}",
        "MaxSessionLengthMinutes": 45,
        "TotalPlayTimeMinutes": values.random.randint(0, 500),
        "CompletedScenarios": values.random.randint(0, 9),
        "ExperiencePoints": values.random.randint(0, 9_000),
        "Level": values.random.randint(1, 12),
        "OnboardingCompleted": False,
        "LastPlayedAt": None,
        "CompassProgressJson": None,
        "CreatedBy": None,
        "UpdatedBy": None,
    }
    if values.chance(0.7):  # one of its two writers stores the older names beside the newer ones
        properties |= {"Name": name, "HasCompletedOnboarding": False, "SelectedAvatarMediaId": avatar}
    return properties


def _badge(values: Values, profile_id: str) -> Document:
    axis = values.random.choice(AXES)
    return {
        "Id": values.guid(),
        "Axis": axis,
        "BadgeConfigurationId": f"badge_{axis.split()[0].lower()}_1",
        "BadgeId": values.guid(),
        "BadgeMessage": "You took a breath first.",
        "BadgeName": "Calm Explorer",
        "EarnedAt": values.now(),
        "GameSessionId": values.guid().replace("-", ""),
        "ImageId": "media/badges/calm_bronze.png",
        "ScenarioId": values.scenario(),
        "Threshold": 5.0,
        "TriggerValue": values.random.randint(10, 20) / 2,
        "UserProfileId": profile_id,
    }

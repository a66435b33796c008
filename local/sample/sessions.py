"""Game sessions: started, played, paused, ended, anonymised; generation D writes another class than the older ones."""

from local.sample.playing import add_choice, encode_compass, encode_totals, make_assignments
from local.sample.values import AGE_GROUPS, Document, Generation, Values, stamp, toggle_deleted

_OLD_STATUS = {"InProgress": 1, "Paused": 2, "Completed": 3}
_NEW_STATUS = {"InProgress": 2, "Paused": 3, "Completed": 4}
_MOST_CHOICES = 12


def make_session(values: Values, generation: Generation, account_id: str, profile_id: str) -> Document:
    """Return a session that was just started, or played for a while."""
    id_, now = values.id(generation), values.now()
    players = [values.name() for _ in range(values.random.randint(0, 2))]
    session: Document = {
        "id": id_.replace("-", "") if generation in "BC" else id_,
        "ScenarioId": values.scenario(),
        "ProfileId": profile_id,
        "PlayerNames": ",".join(players),
        "CurrentSceneId": "scene-01",
        "IsPaused": False,
        "PausedAt": None,
        "SceneCount": 1,
        "SelectedCharacterId": values.random.choice((None, "elarion")),
        "ChoiceHistory": [],
        "EchoHistory": [],
        "Achievements": [],
        "CharacterAssignments": make_assignments(values, profile_id, players, new=generation == "D"),
    }
    session |= _new_properties(values, profile_id, now) if generation == "D" else _old_properties(values, now)
    session |= _owner(values, generation, account_id)
    for _ in range(values.random.randint(0, 3)):
        add_choice(values, session, new=_is_new(session))
    if values.chance(0.3):
        _end(values, session)
    return stamp(session, "GameSession", generation)


def change_session(values: Values, session: Document) -> None:
    """Go on with a session; one that is anonymised is only saved again."""
    if session.get("IsDeleted") or ("IsDeleted" in session and values.chance(0.03)):
        toggle_deleted(session, values.now())
    elif "IsDeleted" not in session and values.chance(0.05):
        _save_with_newer_application(values, session)
    elif session["EndedAt" if _is_new(session) else "EndTime"]:
        _anonymise(session)
    elif session["IsPaused"]:
        _pause(session, None)
    elif values.chance(0.1):
        _pause(session, values.now())
    elif values.chance(0.2) or len(session["ChoiceHistory"]) >= _MOST_CHOICES:
        _end(values, session)
    else:
        add_choice(values, session, new=_is_new(session))


def _old_properties(values: Values, now: str) -> Document:
    group = values.random.choice(AGE_GROUPS)
    youngest, oldest = map(int, group.split("-"))
    properties: Document = {
        "CompassValues": values.random.choice(("", "{}")),
        "PlayerCompassProgressTotals": [],
        "Status": _OLD_STATUS["InProgress"],
        "StartTime": now if values.chance(0.95) else "0001-01-01T00:00:00",
        "EndTime": None,
        "ElapsedTime": "00:00:00",
        "TargetAgeGroupName": group if values.chance(0.8) else "school",
    }
    if values.chance(0.8):
        properties["TargetAgeGroup"] = {"MaximumAge": oldest, "MinimumAge": youngest, "Value": group}
    return properties


def _new_properties(values: Values, profile_id: str, now: str) -> Document:
    return {
        "CompassValues": "[]",
        "PlayerCompassProgressTotals": "{}",
        "Status": _NEW_STATUS["InProgress"],
        "StartedAt": now,
        "EndedAt": None,
        "ElapsedTime": None,
        "TargetAgeGroup": values.random.choice((None, *AGE_GROUPS)),
        **_additions(profile_id, now),
        "JoinCode": None,
        "EndReason": None,
        "DurationSeconds": None,
        "CurrentSceneIndex": 0,
        "ScenesVisited": 1,
        "IsPublic": False,
        "GameStateJson": None,
        "FinalScore": None,
        "EndingAchieved": None,
        "CreatedAt": now,
        "UpdatedAt": None,
        "CreatedBy": None,
        "UpdatedBy": None,
    }


def _additions(profile_id: str, now: str) -> Document:
    return {
        "HostPlayerId": profile_id,
        "LastActivityAt": now,
        "MaxPlayers": 4,
        "IsDeleted": False,
        "DeletedAt": None,
        "DeletedBy": None,
    }


def _owner(values: Values, generation: Generation, account_id: str) -> Document:
    if generation != "A":
        return {"accountId": account_id}
    # A tool that copied containers filled the missing partition key with the type's name.
    return {"AccountId": account_id} | ({"accountId": "GameSession"} if values.chance(0.5) else {})


def _is_new(session: Document) -> bool:
    return "HostPlayerId" in session


def _status(session: Document, name: str) -> int:
    return (_NEW_STATUS if _is_new(session) else _OLD_STATUS)[name]


def _pause(session: Document, now: str | None) -> None:
    status = _status(session, "Paused" if now else "InProgress")
    session |= {"IsPaused": now is not None, "PausedAt": now, "Status": status}


def _end(values: Values, session: Document) -> None:
    new = _is_new(session)
    session |= {"EndedAt" if new else "EndTime": values.now(), "ElapsedTime": values.time_span()}
    session |= {"Status": _status(session, "Completed"), "IsPaused": False, "PausedAt": None}
    session["Achievements"] = [
        {
            "Id": values.guid()[:8],
            "CompassAxis": "",
            "Description": "The story has ended",
            "EarnedAt": values.now(),
            "IconName": "star",
            "IsVisible": True,
            "ThresholdValue": 0.0,
            "Title": "The End",
            "Type": 12 if new else 2,
        }
    ]


def _anonymise(session: Document) -> None:
    """Take the names out, and nothing else, as the application's erasure does."""
    session["PlayerNames"] = ""
    for assignment in session["CharacterAssignments"]:
        assignment["PlayerAssignment"] = None


def _save_with_newer_application(values: Values, session: Document) -> None:
    # The provider patches the document that it has read: what the newer class does not know stays as it was.
    names = {number: name for name, number in _OLD_STATUS.items()}
    status = names[session["Status"]]
    session |= {"$type": "GameSession", **_additions(session["ProfileId"], values.now())}
    session |= {"StartedAt": session["StartTime"], "EndedAt": session["EndTime"], "Status": _NEW_STATUS[status]}
    session |= {"TargetAgeGroup": session["TargetAgeGroupName"]}
    session |= {
        "CompassValues": encode_compass({}, new=True),
        "PlayerCompassProgressTotals": encode_totals({}, new=True),
    }

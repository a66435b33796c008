"""What playing leaves in a session: choices, echoes, compass values, and who plays whom."""

import json

from local.sample.values import AVATARS, AXES, Document, Values

Points = dict[str, float]


def add_choice(values: Values, session: Document, *, new: bool) -> None:
    """Take a choice and go on to the next scene; `new` is the class of generation D."""
    axis, scene = values.random.choice(AXES), session["SceneCount"]
    delta = values.random.choice((-1, 1, 2)) if new else values.random.choice((-0.5, 0.25, 0.5))
    now = values.now()
    choice = {
        "SceneId": f"scene-{scene:02}",
        "SceneTitle": "The noisy bridge",
        "ChoiceText": "Count to five",
        "NextScene": f"scene-{scene + 1:02}",
        "PlayerId": session["ProfileId"],
        "ChosenAt": now,
        "CompassAxis": axis,
        "CompassDelta": delta,
        "CompassDirection": "positive" if delta > 0 else "negative",
    }
    choice |= _new_choice(values, axis, delta) if new else _old_choice(values, session, axis, delta)
    session["ChoiceHistory"].append(choice)
    points: Points = {}
    for entry in session["ChoiceHistory"]:
        points[entry["CompassAxis"]] = points.get(entry["CompassAxis"], 0) + entry["CompassDelta"]
    session |= {
        "CurrentSceneId": choice["NextScene"],
        "SceneCount": scene + 1,
        "ElapsedTime": values.time_span(),
        "CompassValues": encode_compass(points, new=new, now=now),
        "PlayerCompassProgressTotals": encode_totals(points, new=new, player=session["ProfileId"]),
    }
    if new:
        session["LastActivityAt"] = now


def encode_compass(points: Points, *, new: bool, now: str | None = None) -> str:
    """Write compass values as a text of JSON: an object by axis, or generation D's array."""
    entries: list[Document] = [
        {"Axis": axis, "CurrentValue": value, "StartingValue": 0, "History": [], "LastUpdated": now}
        for axis, value in points.items()
    ]
    return json.dumps(entries if new else {entry["Axis"]: entry for entry in entries}, ensure_ascii=False)


def encode_totals(points: Points, *, new: bool, player: str | None = None) -> object:
    """Write the totals as an array, or generation D's object in a text of JSON."""
    if new:
        return json.dumps(points, ensure_ascii=False)
    return [{"Axis": axis, "PlayerId": player, "Total": total} for axis, total in points.items()]


def make_assignments(values: Values, profile_id: str, players: list[str], *, new: bool) -> list[Document]:
    """Let a profile play the first character, and guests the others."""
    roles = (("elarion", "mentor", "guardian"), ("pip", "helper", "trickster"))
    return [
        {
            "CharacterId": character,
            "CharacterName": character.capitalize(),
            "Role": role,
            "Archetype": archetype,
            "Image": None,
            "Audio": None,
            "IsUnused": False,
            "PlayerAssignment": _assignment(values, player, None if number else profile_id, new=new),
        }
        for number, (player, (character, role, archetype)) in enumerate(zip(players, roles, strict=False))
    ]


def _assignment(values: Values, name: str, profile_id: str | None, *, new: bool) -> Document:
    guest = profile_id is None
    return {
        "Type": int(guest) if new else "Guest" if guest else "Player",
        "ProfileId": profile_id,
        "ProfileName": None if guest else name,
        "ProfileImage": None,
        "SelectedAvatarMediaId": None if guest else values.random.choice(AVATARS),
        "GuestName": name if guest else None,
        "GuestAgeRange": "6-9" if guest else None,
        "GuestAvatar": "fox" if guest else None,
        "SaveAsProfile": False,
    }


def _old_choice(values: Values, session: Document, axis: str, delta: float) -> Document:
    echo = None
    if values.chance(0.5):
        echo = {"EchoType": "resilience", "Description": "Calm", "Strength": 0.4, "Timestamp": values.now()}
        session["EchoHistory"].append(echo)
    return {"EchoGenerated": echo, "CompassChange": {"Axis": axis, "Delta": delta, "DevelopmentalLink": None}}


def _new_choice(values: Values, axis: str, delta: float) -> Document:
    return {
        "Id": values.id("D"),
        "BranchId": None,
        "TimeSpentSeconds": values.random.randint(1, 90),
        "EchoGenerated": values.chance(0.5),
        "CompassChange": {"AxisId": axis, "Delta": delta, "Reason": None},
    }

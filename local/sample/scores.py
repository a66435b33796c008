"""Scores of a profile in a scenario, as every generation of the application writes them."""

import json

from local.sample.values import AXES, Document, Generation, Values, key_of, stamp


def make_score(values: Values, generation: Generation, profile_id: str, session: Document) -> Document:
    """Return the score of a session's profile; a few name no session."""
    score: Document = {
        "id": values.id(generation),
        "ProfileId": profile_id,
        "ScenarioId": session["ScenarioId"],
        "GameSessionId": key_of(session) if values.chance(0.9) else "",
        "AxisScores": _scores(values, generation),
        "CreatedAt": values.now(),
    }
    if generation == "D":
        score |= {
            "UserId": profile_id,
            "GameSessionId": score["GameSessionId"] or None,
            "BestScore": values.random.randint(0, 100),
            "TotalAttempts": 1,
            "Completions": 1,
            "FirstCompletedAt": score["CreatedAt"],
            "LastPlayedAt": score["CreatedAt"],
            "TotalPlayTimeSeconds": values.random.randint(60, 4_000),
            "BestEnding": None,
            "EndingsDiscoveredJson": None,
            "ScenesVisitedPercentage": 62.5,
            "EchoesDiscoveredPercentage": 40.0,
            "UpdatedAt": None,
            "CreatedBy": None,
            "UpdatedBy": None,
        }
        if values.chance(0.3):  # the older name is an alias that one of its two writers stores
            del score["ProfileId"]
    return stamp(score, "PlayerScenarioScore", generation)


def change_score(values: Values, score: Document) -> None:
    """Score the scenario again."""
    score["AxisScores"] = _scores(values, "D" if "UserId" in score else "C")
    if "TotalAttempts" in score:
        score |= {"TotalAttempts": score["TotalAttempts"] + 1, "LastPlayedAt": values.now()}


def _scores(values: Values, generation: Generation) -> str:
    scores: dict[str, float] = {}
    for axis in values.random.sample(AXES, values.random.randint(0, 3)):
        points = values.random.randint(-20, 40)
        scores[axis] = points if generation == "D" else points / 4
        if values.chance(0.02):
            scores[axis.lower()] = scores[axis]
    return json.dumps(scores, ensure_ascii=False) if scores or values.chance(0.5) else ""

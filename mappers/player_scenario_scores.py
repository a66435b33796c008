"""Scores: one row per score of a player in a scenario."""

from cdc.core.application import Lookup, ParentRule, UniqueRule
from cdc.core.document_models import renamed
from cdc.core.document_reader import DocumentReader
from cdc.core.fields import Text
from cdc.core.instants import Instant
from cdc.core.json_columns import EMPTY_OBJECT, EmbeddedObject
from cdc.core.mapping import Mapper, Rows
from mappers import tables
from mappers.conventions import Document, ambiguous_keys


class PlayerScenarioScore(Document):
    """A document of the container PlayerScenarioScores."""

    unmapped = (
        *("BestEnding", "BestScore", "Completions", "EchoesDiscoveredPercentage", "EndingsDiscoveredJson"),
        *("FirstCompletedAt", "LastPlayedAt", "ScenesVisitedPercentage", "TotalAttempts", "TotalPlayTimeSeconds"),
    )

    profile_id: Text = renamed("UserId", "ProfileId")
    scenario_id: Text
    game_session_id: Text | None = None
    axis_scores: EmbeddedObject = EMPTY_OBJECT
    created_at: Instant = None


def map_score(score: PlayerScenarioScore) -> Rows:
    """Return a score's row."""
    return Rows(
        root={
            "id": score.id,
            "profile_id": score.profile_id,
            "scenario_id": score.scenario_id,
            # The application's default is "", which is no session's id.
            "game_session_id": score.game_session_id or None,
            "axis_scores": score.axis_scores,
            "created_at": score.created_at,
        },
        observations=ambiguous_keys("AxisScores", score.axis_scores),
    )


PLAYER_SCENARIO_SCORES = Mapper(
    container="PlayerScenarioScores",
    reader=DocumentReader(PlayerScenarioScore),
    tables=(tables.player_scenario_scores,),
    rows=map_score,
    lookups=(
        Lookup(
            tables.player_scenario_scores, "profile_id = ''", "ix_player_scenario_scores_profile_id", "(profile_id)"
        ),
        Lookup(
            tables.player_scenario_scores,
            "game_session_id = ''",
            "ix_player_scenario_scores_game_session_id",
            "(game_session_id)",
        ),
    ),
    rules=(
        UniqueRule(
            "uix_player_scenario_scores_profile_scenario", tables.player_scenario_scores, ("profile_id", "scenario_id")
        ),
        ParentRule(
            "fk_player_scenario_scores_game_sessions",
            tables.player_scenario_scores,
            "game_session_id",
            tables.game_sessions,
        ),
    ),
    cache_keys=("'mystira:playerscenarioscore:' || id",),
)

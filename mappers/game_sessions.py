"""Game sessions: one row per session; choices and achievements stay JSON in the application's shape."""

from typing import Annotated, Any

from pydantic import BeforeValidator

from cdc.core.application import Lookup, ParentRule
from cdc.core.document_models import Presence, renamed
from cdc.core.document_reader import DocumentReader
from cdc.core.errors import DocumentError, Problem, ProblemKind
from cdc.core.fields import CommaList, Text, WholeNumber
from cdc.core.instants import Duration, Instant
from cdc.core.json_columns import EMPTY_ARRAY, EMPTY_OBJECT, EmbeddedArray, EmbeddedObject, JsonArray
from cdc.core.mapping import Mapper, Observation, ObservationKind, Rows
from mappers import tables
from mappers.conventions import Document, Part, ambiguous_keys

# The application's classes of 2026 changed the meaning of SessionStatus numbers.
_OLD_STATUS = ("NotStarted", "InProgress", "Paused", "Completed", "Abandoned")
_NEW_STATUS = ("Creating", "Pending", "InProgress", "Paused", "Completed", "Abandoned", "Failed", "Expired")
# Since then InProgress is an alias of Active; both versions know InProgress.
_STATUS_NAMES = {name: name for name in (*_OLD_STATUS, *_NEW_STATUS)} | {"Active": "InProgress"}
_NEW_PROPERTIES = Presence.of("HostPlayerId", "LastActivityAt", "MaxPlayers", "StartedAt", "IsDeleted")
_OLD_PROPERTIES = Presence.of("StartTime", "TargetAgeGroupName")


class AgeGroup(Part):
    """The age group of a session; later versions store a text instead."""

    unmapped = ("MaximumAge", "MinimumAge")

    value: Text | None = None


class GameSession(Document):
    """A document of the container GameSessions."""

    injected = ("accountId", "AccountId")
    unmapped = (
        *("CurrentSceneIndex", "DmName", "DurationSeconds", "EndReason", "EndingAchieved", "FinalScore"),
        *("GameStateJson", "HostPlayerId", "IsPublic", "JoinCode", "LastActivityAt", "MaxPlayers", "ScenesVisited"),
    )

    account_id: Text = renamed("accountId", "AccountId")
    scenario_id: Text
    profile_id: Text | None = None
    status: Any = None
    has_new_properties: Annotated[bool, _NEW_PROPERTIES] = False
    has_old_properties: Annotated[bool, _OLD_PROPERTIES] = False
    current_scene_id: Text | None = None
    player_names: CommaList = []
    choice_history: JsonArray = EMPTY_ARRAY
    echo_history: JsonArray = EMPTY_ARRAY
    compass_values: EmbeddedObject = EMPTY_OBJECT
    player_compass_progress_totals: EmbeddedArray = EMPTY_ARRAY
    achievements: JsonArray = EMPTY_ARRAY
    character_assignments: JsonArray = EMPTY_ARRAY
    start_time: Instant = renamed("StartedAt", "StartTime", default=None)
    end_time: Instant = renamed("EndedAt", "EndTime", default=None)
    elapsed_time: Duration = None
    is_paused: bool | None = None
    paused_at: Instant = None
    scene_count: WholeNumber | None = None
    target_age_group: Annotated[Text | None, BeforeValidator(lambda it: None if isinstance(it, dict) else it)] = None
    target_age_group_name: Text | None = None
    age_group: Annotated[AgeGroup | None, BeforeValidator(lambda it: it if isinstance(it, dict) else None)] = renamed(
        "TargetAgeGroup", default=None
    )
    selected_character_id: Text | None = None


def map_game_session(session: GameSession) -> Rows:
    """Return a session's row."""
    target_age_group, observations = _choose_age_group(session)
    if session.has_new_properties and session.has_old_properties:
        observations.append(Observation(ObservationKind.AMBIGUOUS, "$.Status"))
    return Rows(
        root={
            "id": session.id,
            "scenario_id": session.scenario_id,
            "account_id": session.account_id,
            "profile_id": session.profile_id,
            "status": _name_status(session.status, is_new=session.has_new_properties),
            "current_scene_id": session.current_scene_id,
            "player_names": session.player_names,
            "choice_history": session.choice_history,
            "echo_history": session.echo_history,
            "compass_values": session.compass_values,
            "player_compass_progress_totals": session.player_compass_progress_totals,
            "achievements": session.achievements,
            "character_assignments": session.character_assignments,
            "start_time": session.start_time,
            "end_time": session.end_time,
            "elapsed_time": session.elapsed_time,
            "is_paused": session.is_paused,
            "paused_at": session.paused_at,
            "scene_count": session.scene_count,
            "target_age_group": target_age_group,
            "selected_character_id": session.selected_character_id,
        },
        observations=(
            *observations,
            *ambiguous_keys("CompassValues", session.compass_values),
            *ambiguous_keys("PlayerCompassProgressTotals", session.player_compass_progress_totals),
        ),
    )


def _name_status(status: Any, *, is_new: bool) -> str:
    names = _NEW_STATUS if is_new else _OLD_STATUS
    if status is None:
        return names[0]
    if isinstance(status, str) and status in _STATUS_NAMES:
        return _STATUS_NAMES[status]
    if isinstance(status, int | float) and not isinstance(status, bool) and status in range(len(names)):
        return names[int(status)]
    # A wrong guess would stay unnoticed.
    raise DocumentError(Problem(ProblemKind.MAPPING, "$.Status", "must be a known status of a session"))


def _choose_age_group(session: GameSession) -> tuple[str | None, list[Observation]]:
    candidates = {
        "$.TargetAgeGroup": session.target_age_group,
        "$.TargetAgeGroupName": session.target_age_group_name,
        "$.TargetAgeGroup.Value": None if session.age_group is None else session.age_group.value,
    }
    filled = [(path, value) for path, value in candidates.items() if value]
    if not filled:
        return None, []
    chosen = filled[0][1]
    return chosen, [Observation(ObservationKind.AMBIGUOUS, path) for path, value in filled if value != chosen]


GAME_SESSIONS = Mapper(
    container="GameSessions",
    reader=DocumentReader(GameSession),
    tables=(tables.game_sessions,),
    rows=map_game_session,
    lookups=(
        Lookup(tables.game_sessions, "account_id = ''", "ix_game_sessions_account_id", "(account_id)"),
        Lookup(
            tables.game_sessions,
            "account_id = '' and status in ('InProgress', 'Paused')",
            "ix_game_sessions_account_status",
            "(account_id, status)",
        ),
        Lookup(tables.game_sessions, "status in ('InProgress', 'Paused')", "ix_game_sessions_status", "(status)"),
        Lookup(
            tables.game_sessions,
            "profile_id = '' or player_names ? ''",
            "ix_game_sessions_player_names",
            "using gin (player_names)",
        ),
    ),
    rules=(ParentRule("fk_game_sessions_accounts", tables.game_sessions, "account_id", tables.accounts),),
    cache_keys=("'mystira:gamesession:' || id",),
)

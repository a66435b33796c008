"""The tables that the mappers write, as the migrations in sql/application create them."""

from sqlalchemy import Boolean, Column, Date, DateTime, Double, Integer, Interval, MetaData, Table, Text
from sqlalchemy.dialects.postgresql import JSONB

_METADATA = MetaData(schema="public")
_INSTANT = DateTime(timezone=True)

accounts = Table(
    "accounts",
    _METADATA,
    Column("id", Text, primary_key=True),
    Column("external_user_id", Text),
    Column("email", Text, nullable=False),
    Column("display_name", Text),
    Column("role", Text),
    Column("user_profile_ids", JSONB),
    Column("completed_scenario_ids", JSONB),
    Column("subscription", JSONB),
    Column("settings", JSONB),
    Column("created_at", _INSTANT),
    Column("last_login_at", _INSTANT),
)

completed_scenarios = Table(
    "completed_scenarios",
    _METADATA,
    Column("account_id", Text, primary_key=True),
    Column("scenario_id", Text, primary_key=True),
)

user_profiles = Table(
    "user_profiles",
    _METADATA,
    Column("id", Text, primary_key=True),
    Column("account_id", Text),
    Column("name", Text, nullable=False),
    Column("age_group", Text),
    Column("date_of_birth", Date),
    Column("is_guest", Boolean, nullable=False),
    Column("is_npc", Boolean, nullable=False),
    Column("pronouns", Text),
    Column("bio", Text),
    Column("avatar_media_id", Text),
    Column("selected_avatar_media_id", Text),
    Column("preferred_themes", JSONB, nullable=False),
    Column("has_completed_onboarding", Boolean, nullable=False),
    Column("created_at", _INSTANT),
    Column("updated_at", _INSTANT),
)

user_badges = Table(
    "user_badges",
    _METADATA,
    Column("user_profile_id", Text, primary_key=True),
    Column("id", Text, primary_key=True),
    Column("badge_configuration_id", Text, nullable=False),
    Column("badge_id", Text),
    Column("badge_name", Text),
    Column("badge_message", Text),
    Column("axis", Text),
    Column("trigger_value", Double),
    Column("threshold", Double),
    Column("earned_at", _INSTANT),
    Column("game_session_id", Text),
    Column("scenario_id", Text),
    Column("image_id", Text),
)

game_sessions = Table(
    "game_sessions",
    _METADATA,
    Column("id", Text, primary_key=True),
    Column("scenario_id", Text, nullable=False),
    Column("account_id", Text, nullable=False),
    Column("profile_id", Text),
    Column("status", Text),
    Column("current_scene_id", Text),
    Column("player_names", JSONB),
    Column("choice_history", JSONB),
    Column("echo_history", JSONB),
    Column("compass_values", JSONB),
    Column("player_compass_progress_totals", JSONB),
    Column("achievements", JSONB),
    Column("character_assignments", JSONB),
    Column("start_time", _INSTANT),
    Column("end_time", _INSTANT),
    Column("elapsed_time", Interval),
    Column("is_paused", Boolean),
    Column("paused_at", _INSTANT),
    Column("scene_count", Integer),
    Column("target_age_group", Text),
    Column("selected_character_id", Text),
)

player_scenario_scores = Table(
    "player_scenario_scores",
    _METADATA,
    Column("id", Text, primary_key=True),
    Column("profile_id", Text, nullable=False),
    Column("scenario_id", Text, nullable=False),
    Column("game_session_id", Text),
    Column("axis_scores", JSONB),
    Column("created_at", _INSTANT),
)

pending_signups = Table(
    "pending_signups",
    _METADATA,
    Column("id", Text, primary_key=True),
    Column("email", Text, nullable=False),
    Column("display_name", Text),
    Column("created_at", _INSTANT),
    Column("expires_at", _INSTANT),
    Column("is_used", Boolean),
    Column("is_signin", Boolean),
    Column("failed_attempts", Integer),
)

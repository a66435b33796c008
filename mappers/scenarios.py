"""Scenarios: rows for each one, its characters and its scenes; only if EXTRA_CONTAINERS names the container."""

from typing import Annotated

from cdc.core.document_reader import DocumentReader
from cdc.core.fields import CommaList, DoubleNumber, NoneAsEmpty, Text, WholeNumber
from cdc.core.instants import Instant
from cdc.core.json_columns import JsonValue
from cdc.core.mapping import Mapper, Row, Rows
from mappers import tables
from mappers.conventions import Document, Part


class ScenarioCharacterMetadata(Part):
    """The object `Metadata`."""

    age: WholeNumber | None = None
    archetype: Text | None = None
    backstory: Text | None = None
    role: Text | None = None
    species: Text | None = None
    traits: CommaList | None = None


class ScenarioCharacter(Part):
    """An item of `Characters`."""

    id: Text
    audio: Text | None = None
    image: Text | None = None
    name: Text | None = None
    metadata: ScenarioCharacterMetadata | None = None


class ScenarioSceneMedia(Part):
    """The object `Media`."""

    audio: Text | None = None
    image: Text | None = None
    video: Text | None = None


class ScenarioSceneMusic(Part):
    """The object `Music`."""

    continuity: Text | None = None
    ducking: Text | None = None
    energy: DoubleNumber | None = None
    priority: Text | None = None
    profile: Text | None = None
    transition_hint: Text | None = None


class ScenarioScene(Part):
    """An item of `Scenes`."""

    id: Text
    active_character: Text | None = None
    description: Text | None = None
    difficulty: WholeNumber | None = None
    next_scene_id: Text | None = None
    title: Text | None = None
    type: WholeNumber | None = None
    branches: JsonValue | None = None
    echo_reveals: JsonValue | None = None
    sound_effects: JsonValue | None = None
    media: ScenarioSceneMedia | None = None
    music: ScenarioSceneMusic | None = None


class Scenario(Document):
    """A document of the type Scenario."""

    age_group: Text | None = None
    archetypes: CommaList | None = None
    core_axes: CommaList | None = None
    created_at: Instant = None
    description: Text | None = None
    difficulty: WholeNumber | None = None
    image: Text | None = None
    is_active: bool | None = None
    is_featured: bool | None = None
    minimum_age: WholeNumber | None = None
    session_length: WholeNumber | None = None
    tags: CommaList | None = None
    title: Text
    music_palette: JsonValue | None = None
    story_protocol: JsonValue | None = None
    characters: Annotated[list[ScenarioCharacter], NoneAsEmpty] = []
    scenes: Annotated[list[ScenarioScene], NoneAsEmpty] = []


def map_scenario(document: Scenario) -> Rows:
    """Return the rows of a document."""
    return Rows(
        root={
            "id": document.id,
            "age_group": document.age_group,
            "archetypes": document.archetypes,
            "core_axes": document.core_axes,
            "created_at": document.created_at,
            "description": document.description,
            "difficulty": document.difficulty,
            "image": document.image,
            "is_active": document.is_active,
            "is_featured": document.is_featured,
            "minimum_age": document.minimum_age,
            "session_length": document.session_length,
            "tags": document.tags,
            "title": document.title,
            "music_palette": document.music_palette,
            "story_protocol": document.story_protocol,
        },
        children={
            "scenario_characters": [_scenario_character_row(document, item) for item in document.characters],
            "scenario_scenes": [_scenario_scene_row(document, item) for item in document.scenes],
        },
    )


def _scenario_character_row(document: Scenario, item: ScenarioCharacter) -> Row:
    return {
        "scenario_id": document.id,
        "id": item.id,
        "audio": item.audio,
        "image": item.image,
        "name": item.name,
        "metadata_age": item.metadata.age if item.metadata else None,
        "metadata_archetype": item.metadata.archetype if item.metadata else None,
        "metadata_backstory": item.metadata.backstory if item.metadata else None,
        "metadata_role": item.metadata.role if item.metadata else None,
        "metadata_species": item.metadata.species if item.metadata else None,
        "metadata_traits": item.metadata.traits if item.metadata else None,
    }


def _scenario_scene_row(document: Scenario, item: ScenarioScene) -> Row:
    return {
        "scenario_id": document.id,
        "id": item.id,
        "active_character": item.active_character,
        "description": item.description,
        "difficulty": item.difficulty,
        "next_scene_id": item.next_scene_id,
        "title": item.title,
        "type": item.type,
        "branches": item.branches,
        "echo_reveals": item.echo_reveals,
        "sound_effects": item.sound_effects,
        "media_audio": item.media.audio if item.media else None,
        "media_image": item.media.image if item.media else None,
        "media_video": item.media.video if item.media else None,
        "music_continuity": item.music.continuity if item.music else None,
        "music_ducking": item.music.ducking if item.music else None,
        "music_energy": item.music.energy if item.music else None,
        "music_priority": item.music.priority if item.music else None,
        "music_profile": item.music.profile if item.music else None,
        "music_transition_hint": item.music.transition_hint if item.music else None,
    }


SCENARIOS = Mapper(
    container="Scenarios",
    reader=DocumentReader(Scenario),
    tables=(tables.scenarios, tables.scenario_characters, tables.scenario_scenes),
    rows=map_scenario,
    cache_keys=("'mystira:scenario:' || id",),
)

"""Badges: one row for what a player must score for a badge; only if EXTRA_CONTAINERS names the container."""

from cdc.core.document_reader import DocumentReader
from cdc.core.fields import DoubleNumber, Text, WholeNumber
from cdc.core.instants import Instant
from cdc.core.mapping import Mapper, Rows
from mappers import tables
from mappers.conventions import Document


class Badge(Document):
    """A document of the type Badge."""

    age_group_id: Text | None = None
    compass_axis_id: Text | None = None
    created_at: Instant = None
    description: Text | None = None
    image_id: Text | None = None
    required_score: DoubleNumber | None = None
    tier: Text | None = None
    tier_order: WholeNumber | None = None
    title: Text
    updated_at: Instant = None


def map_badge(document: Badge) -> Rows:
    """Return a document's row."""
    return Rows(
        root={
            "id": document.id,
            "age_group_id": document.age_group_id,
            "compass_axis_id": document.compass_axis_id,
            "created_at": document.created_at,
            "description": document.description,
            "image_id": document.image_id,
            "required_score": document.required_score,
            "tier": document.tier,
            "tier_order": document.tier_order,
            "title": document.title,
            "updated_at": document.updated_at,
        },
    )


BADGES = Mapper(
    container="Badges",
    reader=DocumentReader(Badge),
    tables=(tables.badges,),
    rows=map_badge,
    cache_keys=("'mystira:badge:' || id",),
)

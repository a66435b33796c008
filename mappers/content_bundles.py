"""Content bundles: one row for each; only if EXTRA_CONTAINERS names the container."""

from cdc.core.document_reader import DocumentReader
from cdc.core.fields import CommaList, Text
from cdc.core.json_columns import EmbeddedObject, JsonValue
from cdc.core.mapping import Mapper, Rows
from mappers import tables
from mappers.conventions import Document


class ContentBundle(Document):
    """A document of the type ContentBundle."""

    age_group: Text | None = None
    description: Text | None = None
    image_id: Text | None = None
    is_free: bool | None = None
    prices: EmbeddedObject | None = None
    scenario_ids: CommaList | None = None
    title: Text
    story_protocol: JsonValue | None = None


def map_content_bundle(document: ContentBundle) -> Rows:
    """Return a document's row."""
    return Rows(
        root={
            "id": document.id,
            "age_group": document.age_group,
            "description": document.description,
            "image_id": document.image_id,
            "is_free": document.is_free,
            "prices": document.prices,
            "scenario_ids": document.scenario_ids,
            "title": document.title,
            "story_protocol": document.story_protocol,
        },
    )


CONTENT_BUNDLES = Mapper(
    container="ContentBundles",
    reader=DocumentReader(ContentBundle),
    tables=(tables.content_bundles,),
    rows=map_content_bundle,
    cache_keys=("'mystira:contentbundle:' || id",),
)

"""Media assets: one row for each file; only if EXTRA_CONTAINERS names the container."""

from cdc.core.document_models import renamed
from cdc.core.document_reader import DocumentReader
from cdc.core.fields import CommaList, LongNumber, Text, WholeNumber
from cdc.core.instants import Duration, Instant
from cdc.core.json_columns import EmbeddedObject
from cdc.core.mapping import Mapper, Rows
from mappers import tables
from mappers.conventions import Document, Part


class MediaAssetMetadata(Part):
    """The object `Metadata`."""

    additional_properties: EmbeddedObject | None = None
    bitrate: WholeNumber | None = None
    duration: Duration | None = None
    format: Text | None = None
    height: WholeNumber | None = None
    width: WholeNumber | None = None


class MediaAsset(Document):
    """A document of the type MediaAsset."""

    media_type: Text | None = renamed("mediaType", default=None)
    hash: Text | None = None
    created_at: Instant = None
    description: Text | None = None
    file_size_bytes: LongNumber | None = None
    media_id: Text
    mime_type: Text | None = None
    tags: CommaList | None = None
    thumbnail_url: Text | None = None
    updated_at: Instant = None
    url: Text | None = None
    version: Text | None = None
    metadata: MediaAssetMetadata | None = None


def map_media_asset(document: MediaAsset) -> Rows:
    """Return a document's row."""
    return Rows(
        root={
            "id": document.id,
            "media_type": document.media_type,
            "hash": document.hash,
            "created_at": document.created_at,
            "description": document.description,
            "file_size_bytes": document.file_size_bytes,
            "media_id": document.media_id,
            "mime_type": document.mime_type,
            "tags": document.tags,
            "thumbnail_url": document.thumbnail_url,
            "updated_at": document.updated_at,
            "url": document.url,
            "version": document.version,
            "metadata_additional_properties": document.metadata.additional_properties if document.metadata else None,
            "metadata_bitrate": document.metadata.bitrate if document.metadata else None,
            "metadata_duration": document.metadata.duration if document.metadata else None,
            "metadata_format": document.metadata.format if document.metadata else None,
            "metadata_height": document.metadata.height if document.metadata else None,
            "metadata_width": document.metadata.width if document.metadata else None,
        },
    )


MEDIA_ASSETS = Mapper(
    container="MediaAssets",
    reader=DocumentReader(MediaAsset),
    tables=(tables.media_assets,),
    rows=map_media_asset,
    cache_keys=("'mystira:mediaasset:' || id",),
)

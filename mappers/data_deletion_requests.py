"""Requests to delete a child's data: one row for each; only if EXTRA_CONTAINERS names the container."""

from cdc.core.document_reader import DocumentReader
from cdc.core.fields import CommaList, Text, WholeNumber
from cdc.core.instants import Instant
from cdc.core.json_columns import JsonValue
from cdc.core.mapping import Mapper, Rows
from mappers import tables
from mappers.conventions import Document


class DataDeletionRequest(Document):
    """A document of the type DataDeletionRequest."""

    child_profile_id: Text
    completed_at: Instant = None
    confirmation_email_sent: bool | None = None
    created_at: Instant = None
    deletion_scope: CommaList | None = None
    next_retry_at: Instant = None
    requested_at: Instant = None
    requested_by: WholeNumber | None = None
    retry_count: WholeNumber | None = None
    scheduled_deletion_at: Instant = None
    status: WholeNumber | None = None
    updated_at: Instant = None
    audit_trail: JsonValue | None = None


def map_data_deletion_request(document: DataDeletionRequest) -> Rows:
    """Return a document's row."""
    return Rows(
        root={
            "id": document.id,
            "child_profile_id": document.child_profile_id,
            "completed_at": document.completed_at,
            "confirmation_email_sent": document.confirmation_email_sent,
            "created_at": document.created_at,
            "deletion_scope": document.deletion_scope,
            "next_retry_at": document.next_retry_at,
            "requested_at": document.requested_at,
            "requested_by": document.requested_by,
            "retry_count": document.retry_count,
            "scheduled_deletion_at": document.scheduled_deletion_at,
            "status": document.status,
            "updated_at": document.updated_at,
            "audit_trail": document.audit_trail,
        },
    )


DATA_DELETION_REQUESTS = Mapper(
    container="DataDeletionRequests",
    reader=DocumentReader(DataDeletionRequest),
    tables=(tables.data_deletion_requests,),
    rows=map_data_deletion_request,
    cache_keys=("'mystira:datadeletionrequest:' || id",),
)

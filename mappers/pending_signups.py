"""Pending sign-ups: one row per sign-up, without secrets; only if EXTRA_CONTAINERS names the container."""

from cdc.core.application import Lookup
from cdc.core.document_models import renamed
from cdc.core.document_reader import DocumentReader
from cdc.core.fields import Text, WholeNumber
from cdc.core.instants import Instant
from cdc.core.mapping import Mapper, Rows
from mappers import tables
from mappers.conventions import Document


class PendingSignup(Document):
    """A document of the container PendingSignups."""

    unmapped = ("Status", "VerifiedAt", "VerifiedUntil")

    email: Text = renamed("Email", "email")
    display_name: Text | None = None
    created_at: Instant = None
    expires_at: Instant = renamed("ExpiresAt", "VerificationTokenExpiresAt", default=None)
    is_used: bool | None = None
    consumed_at: Instant = None
    is_signin: bool | None = None
    failed_attempts: WholeNumber | None = None


def map_pending_signup(signup: PendingSignup) -> Rows:
    """Return a sign-up's row."""
    return Rows(
        root={
            "id": signup.id,
            "email": signup.email,
            "display_name": signup.display_name,
            "created_at": signup.created_at,
            "expires_at": signup.expires_at,
            "is_used": signup.consumed_at is not None if signup.is_used is None else signup.is_used,
            "is_signin": signup.is_signin,
            "failed_attempts": signup.failed_attempts,
        }
    )


PENDING_SIGNUPS = Mapper(
    container="PendingSignups",
    reader=DocumentReader(PendingSignup),
    tables=(tables.pending_signups,),
    rows=map_pending_signup,
    lookups=(
        Lookup(tables.pending_signups, "email = ''", "ix_pending_signups_email", "(email)"),
        Lookup(tables.pending_signups, "expires_at <= now()", "ix_pending_signups_expires_at", "(expires_at)"),
    ),
    cache_keys=("'mystira:pendingsignup:' || id",),
)

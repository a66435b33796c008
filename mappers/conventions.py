"""How the application writes its documents: Entity Framework, Pascal case and the times of .NET."""

from cdc.core.conventions import Conventions, DeleteMark, Instants, Naming, Secrets
from cdc.core.document_models import DocumentModel, JsonObjectModel, RootDocument
from cdc.core.json_columns import Json
from cdc.core.mapping import Observation, ObservationKind

MYSTIRA = Conventions(
    naming=Naming.PASCAL,
    instants=Instants.DOTNET,
    type_properties=("$type", "Discriminator"),
    key="Id",
    prefixed_ids=True,
    delete_mark=DeleteMark("IsDeleted"),
    secrets=Secrets(
        frozenset(
            (
                *("Code", "ParentalControlPinHash", "PasswordHash", "PurchaseToken", "RefreshToken"),
                *("RefreshTokenExpiresAt", "SecurityStamp", "TwoFactorSecretKey", "VerificationToken"),
                "VerificationTokenHash",
            )
        ),
        prefixes=("RefreshToken",),
    ),
    common=frozenset(
        (
            *("PartitionKeyId", "PartitionKeyIdUpper"),
            *("CreatedAt", "CreatedBy", "UpdatedAt", "UpdatedBy", "DeletedAt", "DeletedBy"),
        )
    ),
)


class Document(RootDocument):
    """A whole document; the name of its class is the name of the application's class."""

    conventions = MYSTIRA


class Part(DocumentModel):
    """An object inside a document."""

    conventions = MYSTIRA


class JsonPart(JsonObjectModel):
    """An object that a JSON column stores."""

    conventions = MYSTIRA


def ambiguous_keys(name: str, value: Json) -> tuple[Observation, ...]:
    """Return an observation if dictionary keys differ only in case: for the application they are one key."""
    is_ambiguous = len(set(map(str.lower, value.names))) < len(value.names)
    return (Observation(ObservationKind.AMBIGUOUS, f"$.{name}"),) if is_ambiguous else ()

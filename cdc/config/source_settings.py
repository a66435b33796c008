"""The settings of the source: all that a command needs that only reads Cosmos DB."""

import base64
import re
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationInfo, field_validator

from cdc.config.environment_settings import GUID, EnvironmentSettings, matching


def _check_cosmos_connection(secret: SecretStr | None) -> SecretStr | None:
    if secret is None:
        return None
    parts = dict(part.strip().partition("=")[::2] for part in secret.get_secret_value().split(";"))
    endpoint, key = parts.get("AccountEndpoint", ""), parts.get("AccountKey", "")
    if not key or not re.match(r"https?://[^/\s]", endpoint):
        raise ValueError("must be a connection string: AccountEndpoint=https://...;AccountKey=...;")
    try:
        base64.b64decode(key, validate=True)
    except ValueError:
        raise ValueError("has an AccountKey that is not base64: copy the complete key of the account") from None
    return secret


def split_names(text: str) -> tuple[str, ...]:
    """Split a text at its commas; leave out empty names."""
    return tuple(filter(None, map(str.strip, text.split(","))))


def _split(value: object) -> object:
    return split_names(value) if isinstance(value, str) else value


_COSMOS = "COSMOS_CONNECTION"
_Endpoint = Annotated[
    str, matching(r"https://[^/\s]+/?", "must be the account's address: https://<account>.documents.azure.com:443/")
]
_Credential = Annotated[Literal["managedidentity"], BeforeValidator(str.lower)]
_ClientId = Annotated[str, matching(GUID, "must be the client id of a user-assigned identity")]
Name = Annotated[str, matching(r"[^/\\#?\s][^/\\#?]*", "must be a name without / \\ # and ?")]
_AcceptedType = Annotated[str, matching("[^:]+:.+", "must be pairs like Orders:SalesOrder, separated by commas")]


class SourceSettings(EnvironmentSettings):
    """Where the documents are, and which of them are replicated."""

    # Names and meanings as in the Functions extension, for a connection by identity.
    cosmos_endpoint: _Endpoint | None = Field(default=None, validation_alias=f"{_COSMOS}__accountEndpoint")
    cosmos_credential: _Credential | None = Field(default=None, validation_alias=f"{_COSMOS}__credential")
    cosmos_client_id: _ClientId | None = Field(default=None, validation_alias=f"{_COSMOS}__clientId")
    cosmos_connection: Annotated[SecretStr | None, AfterValidator(_check_cosmos_connection)] = None
    cosmos_database: Name
    extra_containers: Annotated[tuple[str, ...], BeforeValidator(_split)] = ()
    readiness_accepted_types: Annotated[tuple[_AcceptedType, ...], BeforeValidator(_split)] = ()

    # Checked on fields, not on the whole model, so that these problems are reported together with all others.
    @field_validator("cosmos_connection")
    @classmethod
    def _check_one_form(cls, secret: SecretStr | None, others: ValidationInfo) -> SecretStr | None:
        by_identity = [others.data.get(name) for name in ("cosmos_endpoint", "cosmos_credential", "cosmos_client_id")]
        if secret is not None and any(by_identity):
            raise ValueError(f"is set together with settings that begin with {_COSMOS}__: keep one of the two forms")
        if secret is None and others.data.get("cosmos_endpoint", "wrong") is None:
            raise ValueError(f"is missing or empty, and so is {_COSMOS}__accountEndpoint: set one of them")
        return secret

    @field_validator("extra_containers")
    @classmethod
    def _check_extra(cls, names: tuple[str, ...], others: ValidationInfo) -> tuple[str, ...]:
        known: tuple[str, ...] = tuple(others.context or ())
        if not set(names) <= set(known):
            raise ValueError(f"must name only {', '.join(known)}, separated by commas")
        return names

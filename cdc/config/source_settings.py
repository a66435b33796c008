"""The settings of the source: all that a command needs that only reads Cosmos DB."""

import base64
import re
from collections.abc import Collection, Mapping
from typing import Annotated, ClassVar, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
)

from cdc.core.errors import SettingsError


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


def matching(pattern: str, expectation: str) -> AfterValidator:
    """Refuse a text that the pattern does not match, with this message."""

    def check(text: str) -> str:
        if not re.fullmatch(pattern, text):
            raise ValueError(expectation)
        return text

    return AfterValidator(check)


def split_names(text: str) -> tuple[str, ...]:
    """Split a text at its commas; leave out empty names."""
    return tuple(filter(None, map(str.strip, text.split(","))))


def _split(value: object) -> object:
    return split_names(value) if isinstance(value, str) else value


# If Azure cannot resolve a reference, the app gets its text instead of the secret.
_REFERENCE = "@Microsoft.KeyVault("
_COSMOS = "COSMOS_CONNECTION"
GUID = r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
_Endpoint = Annotated[
    str, matching(r"https://[^/\s]+/?", "must be the account's address: https://<account>.documents.azure.com:443/")
]
_Credential = Annotated[Literal["managedidentity"], BeforeValidator(str.lower)]
_ClientId = Annotated[str, matching(GUID, "must be the client id of a user-assigned identity")]
Name = Annotated[str, matching(r"[^/\\#?\s][^/\\#?]*", "must be a name without / \\ # and ?")]
_AcceptedType = Annotated[str, matching("[^:]+:.+", "must be pairs like Orders:SalesOrder, separated by commas")]


class SourceSettings(BaseModel):
    """Where the documents are, and which of them are replicated."""

    model_config = ConfigDict(frozen=True, extra="ignore", alias_generator=str.upper, validate_default=True)
    # Names that were settings once, and what to do about each.
    removed: ClassVar[Mapping[str, str]] = {}

    # Names and meanings as in the Functions extension, for a connection by identity.
    cosmos_endpoint: _Endpoint | None = Field(default=None, validation_alias=f"{_COSMOS}__accountEndpoint")
    cosmos_credential: _Credential | None = Field(default=None, validation_alias=f"{_COSMOS}__credential")
    cosmos_client_id: _ClientId | None = Field(default=None, validation_alias=f"{_COSMOS}__clientId")
    cosmos_connection: Annotated[SecretStr | None, AfterValidator(_check_cosmos_connection)] = None
    cosmos_database: Name
    extra_containers: Annotated[tuple[str, ...], BeforeValidator(_split)] = ()
    readiness_accepted_types: Annotated[tuple[_AcceptedType, ...], BeforeValidator(_split)] = ()

    @field_validator("*", mode="before")
    @classmethod
    def _check_resolved(cls, value: object) -> object:
        if isinstance(value, str) and value.startswith(_REFERENCE):
            raise ValueError(
                "is a Key Vault reference that Azure did not resolve: give the app's identity the role Key Vault "
                "Secrets User, let the app reach the vault, and restart it"
            )
        return value

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
        known: Collection[str] = others.context or ()
        if not set(names) <= set(known):
            raise ValueError(f"must name only {', '.join(known)}, separated by commas")
        return names

    @classmethod
    def read(cls, environment: Mapping[str, str], extra_containers: Collection[str] = ()) -> Self:
        """Read the settings; an empty one counts as missing. EXTRA_CONTAINERS may name only `extra_containers`.

        Raises SettingsError, which names every missing or wrong setting.
        """
        values = {name: value for name, value in environment.items() if value}
        problems = [
            f"{name}: is no setting any more: {remedy}" for name, remedy in cls.removed.items() if name in values
        ]
        try:
            settings = cls.model_validate(values, context=extra_containers)
        except ValidationError as error:
            problems += cls._describe(error)
        if problems:
            raise SettingsError("\n  ".join([_WRONG, *problems]))
        return settings

    @classmethod
    def _describe(cls, error: ValidationError) -> list[str]:
        lines = []
        for problem in error.errors(include_url=False, include_input=False):
            message = _MESSAGES.get(problem["type"]) or problem["msg"].removeprefix("Value error, ")
            lines.append(f"{cls._environment_name(str(problem['loc'][0]))}: {message}")
        return lines

    @classmethod
    def _environment_name(cls, location: str) -> str:
        # For a refused default, pydantic gives the field name instead of the alias.
        field = cls.model_fields.get(location)
        return location if field is None else str(field.validation_alias or field.alias)


_WRONG = "Settings are missing or wrong (see docs/deploying.md and local.settings.example.json):"
_MESSAGES = {"missing": "is missing or empty", "int_parsing": "must be a whole number"}

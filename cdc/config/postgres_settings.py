"""The settings of the sink: all that a command needs that only reads PostgreSQL."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, SecretStr, ValidationInfo, field_validator

from cdc.config import postgres_url
from cdc.config.environment_settings import GUID, EnvironmentSettings, matching


def _read_postgres_connection(secret: SecretStr) -> SecretStr:
    return SecretStr(postgres_url.read(secret.get_secret_value()))


_PostgresIdentity = Annotated[
    str, matching(f"default|{GUID}", "must be `default` or the client id of a user-assigned identity")
]


class PostgresSettings(EnvironmentSettings):
    """Where the tables are, and how many connections reach them."""

    postgres_connection: Annotated[SecretStr, AfterValidator(_read_postgres_connection)]
    postgres_identity: _PostgresIdentity | None = None
    postgres_pool_size: Annotated[int, Field(ge=1, le=100)] = 8
    postgres_pooler: Literal["transaction"] | None = None

    @field_validator("postgres_identity")
    @classmethod
    def _check_password(cls, identity: str | None, others: ValidationInfo) -> str | None:
        connection = others.data.get("postgres_connection")
        if identity is not None and connection is not None:
            postgres_url.check_for_token(connection.get_secret_value())
        return identity

"""The settings of the application's cache."""

import re
from typing import Annotated

from pydantic import AfterValidator, BaseModel, Field, SecretStr, ValidationInfo, field_validator

from cdc.config import stackexchange

_HERE = ("localhost", "127.0.0.1", "::1")
_IDENTITY = r"default|[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"


def _check_connection(secret: SecretStr | None) -> SecretStr | None:
    if secret is not None:
        stackexchange.read(secret.get_secret_value())
    return secret


def _check_identity(name: str | None) -> str | None:
    if name is not None and not re.fullmatch(_IDENTITY, name):
        raise ValueError("must be `default` or the client id of a user-assigned identity")
    return name


class CacheSettings(BaseModel):
    """Where the application's cache is. Without a connection the app touches no cache."""

    redis_connection: Annotated[SecretStr | None, AfterValidator(_check_connection)] = None
    redis_identity: Annotated[str | None, AfterValidator(_check_identity)] = None
    # The application's InstanceName: .NET puts it before every key, without a separator.
    redis_instance_name: str = ""
    # The longest that an entry lives; the application's live for at most two hours.
    redis_entry_seconds: Annotated[float, Field(ge=1, le=604_800, allow_inf_nan=False)] = 7_200

    @field_validator("redis_identity")
    @classmethod
    def _check_login(cls, identity: str | None, others: ValidationInfo) -> str | None:
        if identity is None or "redis_connection" not in others.data:
            return identity
        secret = others.data["redis_connection"]
        if secret is None:
            raise ValueError("is set without REDIS_CONNECTION: set that too, or remove this setting")
        server = stackexchange.read(secret.get_secret_value())
        if server.password is not None:
            raise ValueError("is set, but REDIS_CONNECTION has a password too: remove one of them")
        if not server.tls and server.host not in _HERE:
            raise ValueError("would send its token in clear text: add ssl=True to REDIS_CONNECTION")
        return identity

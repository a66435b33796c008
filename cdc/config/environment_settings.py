"""What all settings have in common: they are read from the environment, and all wrong ones are told together."""

import re
from collections.abc import Collection, Mapping
from typing import ClassVar, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError, field_validator

from cdc.core.errors import SettingsError

# If Azure cannot resolve a reference, the app gets its text instead of the secret.
_REFERENCE = "@Microsoft.KeyVault("
GUID = r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"


def matching(pattern: str, expectation: str) -> AfterValidator:
    """Refuse a text that the pattern does not match, with this message."""

    def check(text: str) -> str:
        if not re.fullmatch(pattern, text):
            raise ValueError(expectation)
        return text

    return AfterValidator(check)


class EnvironmentSettings(BaseModel):
    """Settings by their environment names, which are the fields' in capitals."""

    model_config = ConfigDict(frozen=True, extra="ignore", alias_generator=str.upper, validate_default=True)
    # Names that were settings once, and what to do about each.
    removed: ClassVar[Mapping[str, str]] = {}

    @field_validator("*", mode="before")
    @classmethod
    def _check_resolved(cls, value: object) -> object:
        if isinstance(value, str) and value.startswith(_REFERENCE):
            raise ValueError(
                "is a Key Vault reference that Azure did not resolve: give the app's identity the role Key Vault "
                "Secrets User, let the app reach the vault, and restart it"
            )
        return value

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

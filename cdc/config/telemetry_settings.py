"""The settings of telemetry: where it goes, and what the Functions worker must leave alone."""

from typing import Annotated, Literal, TypedDict

from pydantic import AfterValidator, BaseModel, Field, SecretStr, ValidationInfo, field_validator


def _check_endpoint(address: str | None) -> str | None:
    if address is not None and not address.startswith(("http://", "https://")):
        raise ValueError("must be the address of a collector, such as http://localhost:4318")
    return address


def _refuse(remedy: str) -> AfterValidator:
    def check(text: str | None) -> str | None:
        if text is not None and text.strip().lower() not in ("false", "0", "no"):
            raise ValueError(remedy)
        return text

    return AfterValidator(check)


_NO_DISTRIBUTION = (
    "remove it and set TELEMETRY_AZURE_MONITOR to true: the worker's own telemetry has the addresses of requests, with "
    "the ids of documents, and would send the rest twice"
)
_NO_PROPAGATION = (
    "remove it: the app continues traces itself, and up to Python 3.12 every invocation would fail with it"
)


class Export(TypedDict):
    """Where the app sends telemetry, and under which name."""

    service: str
    otlp: bool
    azure_monitor: str | None
    logs: bool


class TelemetrySettings(BaseModel):
    """Where telemetry goes: nowhere, to an OTLP endpoint, to Azure Monitor, or to both."""

    otel_exporter_otlp_endpoint: Annotated[str | None, AfterValidator(_check_endpoint)] = None
    otlp_protocol: Literal["http/protobuf"] | None = Field(default=None, validation_alias="OTEL_EXPORTER_OTLP_PROTOCOL")
    applicationinsights_connection_string: SecretStr | None = None
    # Azure sets the connection string in every app, for the host.
    telemetry_azure_monitor: bool = False
    otel_service_name: str | None = None
    site_name: str | None = Field(default=None, validation_alias="WEBSITE_SITE_NAME")
    # The host then sends the logs of the app as well.
    host_telemetry_mode: str | None = Field(default=None, validation_alias="AzureFunctionsJobHost__telemetryMode")
    # Switches of the worker; docs/decisions/0035-telemetry.md says why neither is used.
    worker_azure_monitor: Annotated[str | None, _refuse(_NO_DISTRIBUTION)] = Field(
        default=None, validation_alias="PYTHON_APPLICATIONINSIGHTS_ENABLE_TELEMETRY"
    )
    worker_opentelemetry: Annotated[str | None, _refuse(_NO_PROPAGATION)] = Field(
        default=None, validation_alias="PYTHON_ENABLE_OPENTELEMETRY"
    )

    @field_validator("telemetry_azure_monitor")
    @classmethod
    def _check_azure_monitor(cls, wanted: bool, others: ValidationInfo) -> bool:
        if wanted and others.data.get("applicationinsights_connection_string", "wrong") is None:
            raise ValueError("needs APPLICATIONINSIGHTS_CONNECTION_STRING: set it, or remove this setting")
        return wanted

    @property
    def exports_telemetry(self) -> bool:
        """Return whether the app sends telemetry itself."""
        return self.otel_exporter_otlp_endpoint is not None or self.telemetry_azure_monitor

    @property
    def telemetry(self) -> Export:
        """Return what the exporters need to know."""
        secret = self.applicationinsights_connection_string
        return {
            "service": self.otel_service_name or self.site_name or "cdc",
            "otlp": self.otel_exporter_otlp_endpoint is not None,
            "azure_monitor": secret.get_secret_value() if secret is not None and self.telemetry_azure_monitor else None,
            "logs": (self.host_telemetry_mode or "").lower() != "opentelemetry",
        }

"""The deployment that a hook works on: its names, its settings, and the ways to its parts."""

import json
import os
import re
import secrets
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import psycopg
from psycopg.conninfo import make_conninfo

from cdc.config import postgres_url

ROOT = Path(__file__).parents[2]
_STORAGE = "AzureWebJobsStorage"
_KEY = "IDENTITY_KEY"
_REFERENCE = re.compile(r"@Microsoft\.KeyVault\((.+)\)")
_PARTS = {"SecretUri": "--id", "VaultName": "--vault-name", "SecretName": "--name", "SecretVersion": "--version"}
_STRAY = (
    "The app has both {0} and {0}__blobServiceUri. With the first one the host uses a key, which the storage account "
    "refuses. Delete it: az functionapp config appsettings delete --setting-names {0}"
)


class DeploymentError(Exception):
    """Say what is wrong and what to do."""


@dataclass(frozen=True, slots=True)
class Site:
    """One deployment; `variables` are the outputs of infra/main.bicep, as azd gives them to hooks."""

    variables: Mapping[str, str]

    def read(self, name: str) -> str:
        """Return a variable."""
        if value := self.variables.get(name):
            return value
        raise DeploymentError(f"{name} is not set: run azd provision first, or export what the deployment printed.")

    @property
    def database(self) -> str:
        """Return the name of the database."""
        return self.read("POSTGRES_DATABASE")

    def name_role(self, kind: str) -> str:
        """Return the name of a role of sql/roles.sql."""
        return f"{self.database}_cdc_{kind}"

    def connect(self, database: str) -> psycopg.Connection:
        """Connect to PostgreSQL as whoever deploys."""
        try:
            return psycopg.connect(self.address(database), autocommit=True, connect_timeout=20)
        except psycopg.OperationalError as error:
            raise DeploymentError(
                f"PostgreSQL cannot be reached, or refuses the login: {str(error).strip()}. The server's firewall must "
                f"take your address ({self._open_door()}); run this inside the network if the server is private. "
                f"{self._find_login()} must be a Microsoft Entra administrator of it."
            ) from None

    def address(self, database: str, role: str | None = None) -> str:
        """Return how whoever deploys connects to a database, in one of the roles or as the login itself."""
        login = make_conninfo(
            host=self.read("POSTGRES_HOST"), dbname=database, user=self._find_login(), password=_read_token()
        )
        return postgres_url.read(make_conninfo(login, options=f"-c role={role}") if role else login)

    def _open_door(self) -> str:
        """Say how the server takes an address: the template makes rules for its own server only."""
        if self.variables.get("POSTGRES_ADMINISTRATOR"):
            return "azd env set DEPLOYER_ADDRESS <address>, then azd provision"
        return "az postgres flexible-server firewall-rule create: the template makes no rule for an existing server"

    def _find_login(self) -> str:
        names = ("POSTGRES_ADMINISTRATOR", "AZURE_PRINCIPAL_NAME")
        known = next(filter(None, map(self.variables.get, names)), None)
        return known or str(az("ad", "signed-in-user", "show")["userPrincipalName"])

    def read_settings(self) -> dict[str, str]:
        """Return the app's settings, as the app has them."""
        listed = az(
            *("functionapp", "config", "appsettings", "list"),
            *("--resource-group", self.read("AZURE_RESOURCE_GROUP"), "--name", self.read("AZURE_FUNCTION_APP_NAME")),
        )
        settings = {each["name"]: each["value"] for each in listed}
        if settings.get(_STORAGE) and settings.get(f"{_STORAGE}__blobServiceUri"):
            raise DeploymentError(_STRAY.format(_STORAGE))
        return settings

    def adapt_settings(self, role: str) -> dict[str, str]:
        """Return the app's settings for a process that signs in as whoever deploys, in one of the roles.

        Nobody but the app gets its key; what a command shows of a document has another fingerprint than in the log.
        """
        settings = {name: _resolve(value) for name, value in self.read_settings().items() if name != _KEY} | {
            _KEY: secrets.token_hex(),
            "POSTGRES_CONNECTION": self.address(self.database, self.name_role(role)),
            "POSTGRES_IDENTITY": "",
            "TELEMETRY_AZURE_MONITOR": "false",
            "OTEL_EXPORTER_OTLP_ENDPOINT": "",
        }
        for name in ("credential", "clientId"):
            settings.pop(f"COSMOS_CONNECTION__{name}", None)
        return settings

    def run(self, command: str, role: str) -> None:
        """Run a command in one of the roles; if it fails, end with what it says."""
        if self.call(role, command):
            raise DeploymentError(f"python -m cdc {command} failed: do what it says above, and run this again.")

    def call(self, role: str, *words: str) -> int:
        """Run any command of the app in one of the roles, here, and return its exit code."""
        environment = {**os.environ, "PYTHONPATH": str(ROOT), **self.adapt_settings(role)}
        # What local.settings.json names is another place.
        environment["AZURE_FUNCTIONS_ENVIRONMENT"] = "Production"
        with subprocess.Popen([sys.executable, "-P", "-m", "cdc", *words], env=environment) as command:
            while True:
                try:
                    code = command.wait()
                    return code if code >= 0 else 128 - code  # as a shell tells of a signal
                except KeyboardInterrupt:  # the command has it, too, and ends in its own way
                    continue


@cache
def _read_token() -> str:
    return str(az("account", "get-access-token", "--resource-type", "oss-rdbms")["accessToken"])


def _resolve(value: str) -> str:
    """Return the secret that a setting refers to, with the rights of whoever deploys; other values as they are."""
    found = _REFERENCE.fullmatch(value)
    if found is None:
        return value
    parts = (part.partition("=") for part in found[1].split(";"))
    words = [word for name, _, text in parts for word in (_PARTS[name], text)]
    return str(az("keyvault", "secret", "show", *words)["value"])


def az(*words: str) -> Any:
    """Ask the Azure CLI."""
    program = shutil.which("az")
    if program is None:
        raise DeploymentError("The Azure CLI is missing: install az, and run az login.")
    done = subprocess.run([program, *words, "--output", "json"], capture_output=True, text=True, check=False)
    if done.returncode:
        raise DeploymentError(f"az {' '.join(words)} failed: {done.stderr.strip()}")
    return json.loads(done.stdout)


def main(work: Callable[[Site], None]) -> None:
    """Do a hook's work on the deployment of the environment; end with its exit code."""
    try:
        work(Site(os.environ))
    except DeploymentError as error:
        sys.exit(f"{Path(sys.argv[0]).name}: {error}")

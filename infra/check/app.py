"""What the app itself says: its settings, its functions, and its containers."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from functools import cache

from cdc.config.settings import Settings
from infra.check.template import ROOT
from mappers import EXTRA_CONTAINERS

# Stand for what only a deployment knows.
CLIENT_ID = "00000000-0000-4000-8000-000000000000"
SAMPLES = {
    "APPLICATIONINSIGHTS_CONNECTION_STRING": f"InstrumentationKey={CLIENT_ID}",
    "COSMOS_CONNECTION__accountEndpoint": "https://account.documents.azure.com:443/",
    "COSMOS_CONNECTION__clientId": CLIENT_ID,
    "COSMOS_DATABASE": "MystiraAppDb",
    "DURABLE_HUB": "cdcabcdefghijklm",
    "IDENTITY_KEY": CLIENT_ID,
    "LEASE_CONTAINER": "leases",
    "LEASE_DATABASE": "MystiraCdc",
    "LEASE_PREFIX": "prod",
    "POSTGRES_CONNECTION": "host=server.postgres.database.azure.com port=5432 dbname=mystiraapp user=id-cdc",
    "POSTGRES_IDENTITY": CLIENT_ID,
    "POSTGRES_POOL_SIZE": "8",
}
_LIST = """
import json, function_app
found = {each.get_function_name(): each.get_trigger().get_dict_repr() for each in function_app.app.get_functions()}
print(json.dumps({name: [each["type"], each.get("containerName")] for name, each in found.items()}))
"""
# Requests share one group of instances, durable functions another.
_GROUPED = ("httpTrigger", "orchestrationTrigger", "activityTrigger", "entityTrigger")


@dataclass(frozen=True, slots=True)
class Functions:
    """The names of the app's functions, by how they scale."""

    # Of change feeds, by container; those that scale alone besides.
    feeds: dict[str, str]
    alone: frozenset[str]


@cache
def list_functions() -> Functions:
    """Start the app in a process of its own, with every container; return its functions."""
    environment = {**os.environ, **SAMPLES, "EXTRA_CONTAINERS": ",".join(EXTRA_CONTAINERS)}
    run = [sys.executable, "-c", _LIST]
    done = subprocess.run(run, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    found: dict[str, tuple[str, str | None]] = json.loads(done.stdout.splitlines()[-1])
    feeds = {container: name for name, (_, container) in found.items() if container is not None}
    alone = {name for name, (trigger, container) in found.items() if container is None and trigger not in _GROUPED}
    return Functions(feeds, frozenset(alone))


def list_settings() -> dict[str, bool]:
    """Return the names of all settings in the environment, and whether each is required."""
    return {str(field.validation_alias or field.alias): field.is_required() for field in Settings.model_fields.values()}

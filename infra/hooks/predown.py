"""Refuse `azd down`: it deletes every resource group that the deployment wrote to, also that of Cosmos."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from infra.hooks import site

# As docs/deploying.md says: Taking it all down.
_MADE = (
    "In phase 3 never delete the group: its PostgreSQL server has the application's only data. "
    "In phase 0, run {delete}."
)
_EXISTING = (
    "In phase 0 or 3, look whether a PostgreSQL server is in the group: {look}. In phase 3 never delete the group of "
    "the server that has the application's data. If it is in another group, run {delete}."
)


def work(deployment: site.Site) -> None:
    """Refuse, and say what to run."""
    group = deployment.read("AZURE_RESOURCE_GROUP")
    instead = (_MADE if deployment.variables.get("POSTGRES_ADMINISTRATOR") else _EXISTING).format(
        delete=f"az group delete --name {group}",
        look=f"az resource list --resource-group {group} --resource-type Microsoft.DBforPostgreSQL/flexibleServers",
    )
    raise site.DeploymentError(
        "azd down would delete every resource group that the deployment wrote to: with the group of the Cosmos account "
        f"also the application's data. Nothing was deleted. {instead} Read the section Taking it all down of "
        "docs/deploying.md first: it says what to look at, and what is left."
    )


if __name__ == "__main__":
    site.main(work)

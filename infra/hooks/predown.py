"""Refuse `azd down`: it deletes every resource group that the deployment wrote to, also that of Cosmos."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from infra.hooks import site


def work(deployment: site.Site) -> None:
    """Refuse, and say what to run."""
    group = deployment.read("AZURE_RESOURCE_GROUP")
    raise site.DeploymentError(
        "azd down would delete every resource group that the deployment wrote to: with the group of the Cosmos account "
        "also the application's data. Nothing was deleted. In phase 3 never delete the group: its PostgreSQL server "
        f"has the application's only data. In phase 0, run az group delete --name {group}. Read the section Taking "
        "it all down of docs/deploying.md first: it says what to look at, and what is left."
    )


if __name__ == "__main__":
    site.main(work)

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
        f"also the application's data. Nothing was deleted. Run az group delete --name {group}; the section Taking it "
        "all down of docs/deploying.md says what to look at before, and what is left."
    )


if __name__ == "__main__":
    site.main(work)

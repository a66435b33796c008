"""Before a release goes live: bring the database to it, and refuse it while a check fails."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from infra.hooks import roles, site


def work(deployment: site.Site) -> None:
    """Migrate, then check as the app, in the role of the writer: what the app lacks, this lacks."""
    roles.prepare(deployment)
    deployment.run("check", "writer")


if __name__ == "__main__":
    site.main(work)

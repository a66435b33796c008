"""Run a command of the app as whoever deploys, in the role of the owner: `command.py phase 2`."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from infra.hooks import site

if __name__ == "__main__":
    site.main(lambda deployment: sys.exit(deployment.call("owner", *sys.argv[1:])))

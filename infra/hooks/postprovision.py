"""After the resources are there: let the app's identity into PostgreSQL, and make the tables and roles."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from infra.hooks import roles, site

if __name__ == "__main__":
    site.main(roles.prepare)

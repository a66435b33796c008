"""Another application: two containers, three types, one migration. `make_app` builds the folder of an app with it."""

from pathlib import Path

ROOT = Path(__file__).parents[2]
# What a team keeps of this project when it writes mappers of its own.
_KEPT = ("cdc", "local", "function_app.py", "host.json", "local.settings.example.json")
APPLICATION_SQL = ROOT / "tests/example/sql/application/0001_orders.sql"
CONTAINERS = {"orders": "/customerId", "visits": "/tenantId,/visitorId"}


def make_app(folder: Path) -> Path:
    """Fill an empty folder with the app, as links, and with the mappers and migrations of the example; return it."""
    for name in _KEPT:
        (folder / name).symlink_to(ROOT / name)
    (folder / "mappers").symlink_to(ROOT / "tests/example/mappers")
    (folder / "sql").mkdir()
    for path in (ROOT / "sql").iterdir():
        if path.name not in ("application", "cutover"):
            (folder / "sql" / path.name).symlink_to(path)
    (folder / "sql" / "application").symlink_to(ROOT / "tests/example/sql/application")
    return folder

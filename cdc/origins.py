"""Remember which source container was seen first, and refuse another: it would be taken for changes of the first."""

from cdc.errors import FatalError
from cdc.origin import Origin
from cdc.postgres import Database
from cdc.queries import statement


def confirm(database: Database, found: Origin) -> None:
    """Remember a container when it is the first of its name; raise FatalError when another one was seen before."""
    with database.connection() as connection:
        connection.execute(statement("see_container"), _parameters(found))
        row = connection.execute(statement("read_container"), {"container": found.container}).fetchone()
    if row is not None and row[:2] != (found.account, found.rid):
        raise FatalError(
            f"The container {found.container} is another one than before ({found.rid} in {found.account}, not {row[1]} "
            f"in {row[0]}): correct COSMOS_CONNECTION and COSMOS_DATABASE, or, when it takes the place of the other, "
            f"run python -m cdc adopt {found.container}."
        )


def adopt(database: Database, found: Origin) -> None:
    """Let a container take the place of the one seen first; what the ledger holds stays until it is compared anew."""
    with database.transaction() as connection:
        connection.execute(statement("adopt_container"), _parameters(found))
        connection.execute(statement("forget_lsns"), {"container": found.container})


def _parameters(found: Origin) -> dict[str, object]:
    return {
        "container": found.container,
        "account": found.account,
        "rid": found.rid,
        "paths": list(found.partition_key_paths),
    }

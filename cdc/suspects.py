"""Suspects: documents that the next reconcile must read again, because a feed has a gap before them."""

from collections.abc import Sequence

from cdc.model import Change
from cdc.postgres import Connection
from cdc.queries import statement


def add(connection: Connection, container: str, changes: Sequence[Change]) -> None:
    """Make documents suspects, and count each as a gap of its container."""
    if changes:
        keys = sorted(change.key for change in changes)
        connection.execute(statement("add_suspects"), {"container": container, "keys": keys})
        connection.execute(statement("count_gaps"), {"container": container, "gaps": len(keys)})

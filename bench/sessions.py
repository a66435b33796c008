"""Many game sessions in a Cosmos server, written in batches."""

from typing import Any

from local.sample import DATABASE, Sample, Source

CONTAINER = "GameSessions"
_BATCH = 100


def fill(connection: str, documents: int) -> None:
    """Write so many sessions, a hundred to an account."""
    source = Source.open(connection, DATABASE)
    patterns = _patterns()
    for first in range(0, documents, _BATCH):
        account = f"account-{first}"
        batch = [
            ("upsert", (patterns[number % len(patterns)] | {"id": f"session-{number}", "accountId": account},))
            for number in range(first, min(first + _BATCH, documents))
        ]
        source.containers[CONTAINER].execute_item_batch(batch, account)
    source.close()


def _patterns() -> list[dict[str, Any]]:
    found = [document for name, document in Sample(seed=3).create(2_000) if name == CONTAINER]
    # The older generations have their key, and the account, under other names.
    return [document for document in found if "accountId" in document and "Id" not in document]

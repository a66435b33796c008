"""Many game sessions in a Cosmos server, written in batches."""

import json
from typing import Any

from local.sample import DATABASE, Sample, Source

CONTAINER = "GameSessions"
_BATCH = 100


def fill(connection: str, documents: int, size: int = 0) -> None:
    """Write so many sessions, a hundred to an account; with a size, each has about this many bytes."""
    source = Source.open(connection, DATABASE)
    patterns = _patterns()
    if size:
        patterns = [_enlarge(each, size) for each in patterns[:50] if each["ChoiceHistory"]]
    at_once = 1 if size else _BATCH  # a request has at most 2 MB
    for first in range(0, documents, at_once):
        account = f"account-{first}" if size else find_account(first)
        batch = [
            ("upsert", (patterns[number % len(patterns)] | {"id": f"session-{number}", "accountId": account},))
            for number in range(first, min(first + at_once, documents))
        ]
        source.containers[CONTAINER].execute_item_batch(batch, account)
    source.close()


def find_account(number: int) -> str:
    """Return the account, which is the partition key, of a session without a size."""
    return f"account-{number // _BATCH * _BATCH}"


def _enlarge(document: dict[str, Any], size: int) -> dict[str, Any]:
    choices = document["ChoiceHistory"]
    return document | {"ChoiceHistory": choices * (size // len(json.dumps(choices)))}


def _patterns() -> list[dict[str, Any]]:
    found = [document for name, document in Sample(seed=3).create(2_000) if name == CONTAINER]
    # The older generations have their key, and the account, under other names.
    return [document for document in found if "accountId" in document and "Id" not in document]

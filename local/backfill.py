"""Have the app copy what was there before, and watch it."""

import json
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

from local.stack import Stack, StackError

_REFRESH_SECONDS = 0.2
_PATIENCE_SECONDS = 60


def copy(stack: Stack) -> Iterator[dict[str, Any]]:
    """Start a backfill of all containers and yield how far it is, again and again until it is over."""
    id_ = _start(stack)
    while (progress := _ask(stack, f"api/backfills/{id_}"))["state"] == "running":
        yield progress
        time.sleep(_REFRESH_SECONDS)
    yield progress


def _start(stack: Stack) -> str:
    """Ask for a backfill until it may begin: a feed of all versions has to be read first."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while True:
        try:
            return str(_ask(stack, "api/backfills", b"{}")["id"])
        except StackError as error:
            if "has not begun" not in str(error) or time.monotonic() > deadline:
                raise
        time.sleep(_REFRESH_SECONDS)


def describe(progress: dict[str, Any]) -> str:
    """Say what a backfill has done."""
    totals = progress["totals"]
    documents = totals["applied"] + totals["parked"]
    return f"backfill: {documents} documents copied in {len(progress['containers'])} containers"


def _ask(stack: Stack, path: str, body: bytes | None = None) -> Any:
    headers = {"x-functions-key": stack.functions_key}
    request = urllib.request.Request(stack.functions.url + path, body, headers)  # noqa: S310 - our own address
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310 - our own address
            return json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            raise StackError(f"{path} answers {error.code}: {error.read().decode()}") from None

"""Damage a row by hand, as somebody with psql might, and let the app find it."""

import json
import time
import urllib.error
import urllib.request
from typing import Any

import psycopg

from local.stack import Stack, StackError

_PATIENCE_SECONDS = 120
_DAMAGE = """
update accounts set email = 'edited by hand'
where id = (
    select row_key::jsonb ->> 0 from cdc.document
    where container = 'Accounts' and state = 'applied' and row_key is not null order by ts limit 1
)
"""


def damage_row(stack: Stack) -> None:
    """Edit the e-mail of the account that was not changed for the longest time."""
    with psycopg.connect(stack.settings["POSTGRES_CONNECTION"], autocommit=True) as connection:
        connection.execute(_DAMAGE)


def reconcile(stack: Stack, **request: object) -> dict[str, Any]:
    """Run a reconcile over HTTP and return its report."""
    accepted = ask(stack, "reconciliations", request)
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while (report := ask(stack, f"reconciliations/{accepted['id']}"))["state"] == "running":
        if time.monotonic() > deadline:
            raise StackError("The reconcile does not end.")
        time.sleep(0.25)
    return report


def count_drift(report: dict[str, Any]) -> dict[str, int]:
    """Add up what a reconcile found in all containers, by kind."""
    kinds = report["containers"][0]["drift"]
    return {kind: sum(each["drift"][kind] for each in report["containers"]) for kind in kinds}


def ask(stack: Stack, path: str, body: object = None) -> dict[str, Any]:
    """Ask the app; raise StackError with its reason when it refuses."""
    request = urllib.request.Request(  # noqa: S310 - our own address
        f"{stack.functions.url}api/{path}",
        data=None if body is None else json.dumps(body).encode(),
        headers={"x-functions-key": stack.functions_key},
    )
    try:
        with urllib.request.urlopen(request, timeout=30) as response:  # noqa: S310 - our own address
            answer: dict[str, Any] = json.load(response)
            return answer
    except urllib.error.HTTPError as error:
        with error:
            raise StackError(f"{path}: {json.load(error)['detail']}") from None

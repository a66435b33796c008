"""Damage a row by hand, as somebody with psql might, and let the app find it."""

import time
from http import HTTPStatus
from typing import Any

import psycopg

from local.operator import Operator
from local.patience import PATIENCE_SECONDS
from local.stack import Stack, StackError

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
    """Run a reconcile over HTTP, when none is running any more, and return its report."""
    operator = Operator(stack.functions.url, stack.functions_key)
    deadline = time.monotonic() + PATIENCE_SECONDS
    while (accepted := operator.ask("POST", "reconciliations", request))[0] == HTTPStatus.CONFLICT:
        _wait(deadline)
    path = f"reconciliations/{_read(accepted)['id']}"
    while (report := _read(operator.ask("GET", path)))["state"] == "running":
        _wait(deadline)
    return report


def _wait(deadline: float) -> None:
    if time.monotonic() > deadline:
        raise StackError(f"The reconcile did not end within {PATIENCE_SECONDS} s.")
    time.sleep(0.25)


def _read(answer: tuple[int, Any]) -> dict[str, Any]:
    status, body = answer
    if status >= HTTPStatus.BAD_REQUEST:
        raise StackError(f"The app refused the request: {body['detail']}")
    return dict(body)


def count_drift(report: dict[str, Any]) -> dict[str, int]:
    """Add up what a reconcile found in all containers, by kind."""
    kinds = report["containers"][0]["drift"]
    return {kind: sum(each["drift"][kind] for each in report["containers"]) for kind in kinds}


def describe_drift(found: dict[str, int]) -> str:
    """Say how many differences of each kind a reconcile found."""
    return ", ".join(f"{count} {kind}" for kind, count in found.items() if count) or "no difference"

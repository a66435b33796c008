"""Damage a row by hand, as somebody with psql might, and let the app find it."""

import time
from http import HTTPStatus
from typing import Any

import psycopg

from local.operator import Operator
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
    operator = Operator(stack.functions.url, stack.functions_key)
    accepted = _ask(operator, "POST", "reconciliations", request)
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while (report := _ask(operator, "GET", f"reconciliations/{accepted['id']}"))["state"] == "running":
        if time.monotonic() > deadline:
            raise StackError("The reconcile does not end.")
        time.sleep(0.25)
    return report


def count_drift(report: dict[str, Any]) -> dict[str, int]:
    """Add up what a reconcile found in all containers, by kind."""
    kinds = report["containers"][0]["drift"]
    return {kind: sum(each["drift"][kind] for each in report["containers"]) for kind in kinds}


def _ask(operator: Operator, method: str, path: str, body: object = None) -> dict[str, Any]:
    """Ask the app; raise StackError with its reason when it refuses."""
    status, answer = operator.ask(method, path, body)
    if status >= HTTPStatus.BAD_REQUEST:
        raise StackError(f"{path}: {answer['detail']}")
    return dict(answer)

"""Park a document, correct it, delete documents, as an operator sees it; no other part of the demo uses these."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import psycopg

from local.operator import Operator
from local.patience import PATIENCE_SECONDS
from local.sample import Source
from local.stack import LATEST_VERSION, Stack, StackError

_ACCOUNT, _PROFILE = "an-account-of-nobody", "a-profile-of-nobody"
_BADGES = [{"Id": f"badge-{number}", "BadgeConfigurationId": "calm"} for number in (1, 2)]


def show(stack: Stack) -> Iterator[str]:
    """Do it step by step and say what happened; raise StackError when a step does not happen in time."""
    operator = Operator(stack.functions.url, stack.functions_key)
    source = stack.open_source()
    with psycopg.connect(stack.settings["POSTGRES_CONNECTION"], autocommit=True) as postgres:
        yield from _mend(source, operator, postgres)
        by_feed = stack.settings["CHANGE_FEED_MODE"] != LATEST_VERSION
        settle_seconds = float(stack.settings["SETTLE_SECONDS"])
        yield from _delete_all(source, operator, postgres, None if by_feed else settle_seconds)
    source.close()


def _mend(source: Source, operator: Operator, postgres: psycopg.Connection[Any]) -> Iterator[str]:
    poison = {"id": _ACCOUNT, "$type": "Account", "Email": "nobody@example.com", "CreatedAt": "yesterday"}
    source.write("Accounts", poison)
    letter = "select number, kind, path from cdc.dead_letter where id = %s"
    number, kind, path = _wait("a poison document is parked", lambda: _read(postgres, letter, f'"{_ACCOUNT}"'))
    page = operator.ask("GET", f"dead-letters?container=Accounts&after={number - 1}")[1]
    document = page["items"][0]["document"]
    yield (
        f"We wrote another poison document. The app parked it: {kind} error at {path}. Its dead letter names it only "
        f"by a fingerprint, {document}."
    )

    source.write("Accounts", poison | {"CreatedAt": "2026-01-31T08:00:00Z"})
    operator.ask("POST", f"dead-letters/{number}/replay")
    _wait("the letter is gone", lambda: not _read(postgres, letter, f'"{_ACCOUNT}"'))
    _wait("the row is there", lambda: _read(postgres, "select id from accounts where id = %s", _ACCOUNT))
    yield (
        "We corrected that document in Cosmos and replayed its dead letter. Now its row is in PostgreSQL, and "
        "the dead letter is gone."
    )


def _delete_all(
    source: Source, operator: Operator, postgres: psycopg.Connection[Any], settle_seconds: float | None
) -> Iterator[str]:
    """Delete two documents; without a settle time the change feed reports that, else Cosmos has to be asked."""
    source.write("UserProfiles", {"id": _PROFILE, "$type": "UserProfile", "Name": "Nobody", "EarnedBadges": _BADGES})
    badges = "select count(*) from user_badges where user_profile_id = %s having count(*) > 0"
    (count,) = _wait("the profile has badges", lambda: _read(postgres, badges, _PROFILE))
    source.delete("UserProfiles", {"id": _PROFILE})
    source.delete("Accounts", {"id": _ACCOUNT})
    if settle_seconds is not None:
        answers = {
            operator.resync(container, id_, id_)
            for container, id_ in (("UserProfiles", _PROFILE), ("Accounts", _ACCOUNT))
        }
        yield (
            "We deleted two documents in Cosmos. This change feed does not report deletes, so their rows stay in "
            "PostgreSQL. We ask the app to read both documents again. The app answers "
            f"{', '.join(sorted(answers))}: it asks Cosmos once more after {settle_seconds:g} s, to be sure."
        )
    _wait("the rows are gone", lambda: not _rows_left(postgres))
    by_feed = "We deleted two documents in Cosmos, and the change feed reported it"
    how = by_feed if settle_seconds is None else "Cosmos answered twice that both documents are gone"
    yield f"{how}. The app removed their rows: one account, and one profile with its {count} badges."


def _rows_left(postgres: psycopg.Connection[Any]) -> bool:
    text = (
        "select 1 from accounts where id = %(account)s union all select 1 from user_profiles where id = %(profile)s"
        " union all select 1 from user_badges where user_profile_id = %(profile)s"
    )
    return postgres.execute(text, {"account": _ACCOUNT, "profile": _PROFILE}).fetchone() is not None


def _read(postgres: psycopg.Connection[Any], text: str, id_: str) -> Any:
    return postgres.execute(text, [id_]).fetchone()


def _wait(what: str, find: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not (found := find()):
        if time.monotonic() > deadline:
            raise StackError(f"Waited {PATIENCE_SECONDS} s in vain until {what}.")
        time.sleep(0.2)
    return found

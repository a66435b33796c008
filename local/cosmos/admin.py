"""Answer requests that steer the server itself, over HTTP under /_admin/ with the account's key."""

import hmac
import re
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

from local.cosmos import errors, values
from local.cosmos.controls import Controls
from local.cosmos.values import JsonObject
from local.cosmos.wire import Answer, Call

ROOT = "_admin"

Step = Callable[..., Any]


def check(key: str, call: Call) -> None:
    """Raise 401 unless the request has the account's key."""
    given = call.headers.get("authorization", "").encode(errors="backslashreplace")  # it may be no UTF-8
    if not hmac.compare_digest(given, f"Bearer {key}".encode()):
        raise errors.CosmosError(401, "A request under /_admin/ needs the header Authorization: Bearer ACCOUNT_KEY.")


def answer(controls: Controls, call: Call) -> Answer:
    """Execute a control and answer with what it yields."""
    step = STEPS.get((call.method, "/".join(call.segments[1:])))
    if step is None:
        raise errors.not_found(f"There are the controls {', '.join(' '.join(known) for known in STEPS)}.")
    arguments = values.parse_object(call.body) if call.body else {}
    try:
        return Answer(200, values.render(step(controls, **arguments)))
    except (TypeError, ValueError, re.error) as error:
        raise errors.bad_request(f"The control cannot do this: {error}.") from error


def _split(controls: Controls, **arguments: Any) -> JsonObject:
    return {"children": controls.split(**arguments)}


def _merge(controls: Controls, **arguments: Any) -> JsonObject:
    return {"merged": controls.merge(**arguments)}


def _ranges(controls: Controls, **arguments: Any) -> JsonObject:
    return {"ranges": controls.list_ranges(**arguments)}


def _hits(controls: Controls) -> JsonObject:
    return {"hits": controls.count_hits()}


def _fault(kind: str) -> Step:
    def add(controls: Controls, **arguments: Any) -> JsonObject:
        return {"times": getattr(controls, kind)(**arguments).times}

    return add


def _limit(controls: Controls, **arguments: Any) -> JsonObject:
    controls.limit(**arguments)
    return {}


def _spoil(controls: Controls, **arguments: Any) -> JsonObject:
    controls.spoil(**arguments)
    return {}


def _refuse_writes(controls: Controls, database: str) -> JsonObject:
    controls.access.refuse_writes(database)
    return {}


def _allow_writes(controls: Controls, database: str) -> JsonObject:
    controls.access.allow_writes(database)
    return {}


def _clear(controls: Controls) -> JsonObject:
    controls.clear()
    return {}


def _read_clock(controls: Controls) -> JsonObject:
    return {"now": controls.clock()}


def _set_clock(controls: Controls, now: float | None = None, advance: float = 0) -> JsonObject:
    if now is not None:
        controls.clock.set(now)
    controls.clock.advance(advance)
    return _read_clock(controls)


def _counters(controls: Controls) -> JsonObject:
    return {operation: asdict(count) for operation, count in controls.counters.items()}


def _reset(controls: Controls) -> JsonObject:
    controls.counters.reset()
    return {}


STEPS: Mapping[tuple[str, str], Step] = {
    ("POST", "ranges"): _ranges,
    ("POST", "split"): _split,
    ("POST", "merge"): _merge,
    ("POST", "spoil"): _spoil,
    ("POST", "fail"): _fault("fail"),
    ("POST", "throttle"): _fault("throttle"),
    ("POST", "delay"): _fault("delay"),
    ("POST", "drop"): _fault("drop"),
    ("POST", "limit"): _limit,
    ("POST", "refuse-writes"): _refuse_writes,
    ("POST", "allow-writes"): _allow_writes,
    ("POST", "clear"): _clear,
    ("GET", "hits"): _hits,
    ("GET", "clock"): _read_clock,
    ("POST", "clock"): _set_clock,
    ("GET", "counters"): _counters,
    ("DELETE", "counters"): _reset,
}

"""Keep the throughput that databases and containers were given, as offers."""

import copy
import math
from typing import Any

from local.cosmos import errors, rid, values
from local.cosmos.values import JsonObject
from local.cosmos.wire import Call

UNITS_PER_NEW_PARTITION = 6000
# A new container gets room to grow; one that is there splits no earlier than it must.
MOST_UNITS_PER_PARTITION = 10_000
DEFAULT_UNITS = 400
LEAST_AUTOPILOT_UNITS = 1000
AUTOPILOT = "offerAutopilotSettings"


def requested(call: Call) -> JsonObject | None:
    """Read the throughput that a create request asks for, as an offer's content."""
    autopilot = call.header("x-ms-cosmos-offer-autopilot-settings")
    manual = call.integer("x-ms-offer-throughput")
    if manual is not None and autopilot is not None:
        raise errors.bad_request("A request cannot ask for both a manual and an autoscale throughput.")
    if autopilot is not None:
        return _checked({AUTOPILOT: values.parse_object(autopilot.encode())})
    return None if manual is None else _checked({"offerThroughput": manual})


def default() -> JsonObject:
    """Give the throughput of a container that asks for none."""
    return _checked({"offerThroughput": DEFAULT_UNITS})


def partitions(content: JsonObject) -> int:
    """Tell how many physical partitions something new gets for a throughput."""
    return math.ceil(units(content) / UNITS_PER_NEW_PARTITION)


def needed(content: JsonObject) -> int:
    """Tell how many physical partitions must be there for a throughput."""
    return math.ceil(units(content) / MOST_UNITS_PER_PARTITION)


def units(content: JsonObject) -> int:
    """Tell how many request units there are for a second, at most."""
    return int(content[AUTOPILOT]["maxThroughput"] if AUTOPILOT in content else content["offerThroughput"])


def new(content: JsonObject, resource: JsonObject, seconds: int) -> JsonObject:
    """Make the offer of a database or a container."""
    own = rid.new_offer()
    return {
        "id": own,
        "_rid": own,
        "_self": f"offers/{own}/",
        "_etag": rid.new_etag(seconds),
        "_ts": seconds,
        "resource": resource["_self"],
        "offerResourceId": resource["_rid"],
        "offerType": "Invalid",
        "offerVersion": "V2",
        "content": content,
    }


def replaced(offer: JsonObject, body: JsonObject, seconds: int) -> JsonObject:
    """Make the offer that a replace request asks for: another throughput of the same kind."""
    content = body.get("content")
    if body.get("id") != offer["id"] or not isinstance(content, dict):
        raise errors.bad_request("An offer is replaced by itself with another content.")
    if bool(content.get(AUTOPILOT)) != (AUTOPILOT in offer["content"]):
        raise errors.bad_request("An offer cannot change between manual and autoscale throughput.")
    return {**offer, "content": _checked(content), "_etag": rid.new_etag(seconds), "_ts": seconds}


def pending(offer: JsonObject) -> JsonObject:
    """Show an offer while it is being replaced."""
    shown = copy.deepcopy(offer)
    shown["content"]["isOfferReplacePending"] = True
    return shown


def _checked(content: JsonObject) -> JsonObject:
    settings = content.get(AUTOPILOT)
    number: Any = settings.get("maxThroughput") if isinstance(settings, dict) else content.get("offerThroughput")
    least = LEAST_AUTOPILOT_UNITS if isinstance(settings, dict) else DEFAULT_UNITS
    if not isinstance(number, int) or isinstance(number, bool) or number < least:
        raise errors.bad_request(f"Requested throughput {number} is less than required minimum throughput {least}.")
    if not isinstance(settings, dict):
        return {"offerThroughput": number, "offerIsRUPerMinuteThroughputEnabled": False}
    return {"offerThroughput": number // 10, AUTOPILOT: settings}

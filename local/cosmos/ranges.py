"""Answer requests for a container's physical partitions."""

from local.cosmos import errors, values, wire
from local.cosmos.container import Container
from local.cosmos.partition import PhysicalPartition
from local.cosmos.store import Account
from local.cosmos.values import JsonObject
from local.cosmos.wire import Answer, Call


def read_ranges(account: Account, call: Call) -> Answer:
    """List the physical partitions, or only those that are new since the client's etag."""
    container = account.container(call.segments[1], call.segments[3])
    known = _known(container, call.header("If-None-Match"))
    headers = {"etag": f'"{container.generation}"'}
    if known == container.generation:
        return Answer(304, headers=headers)
    found = [partition for partition in container.partitions if known is None or partition.born > known]
    body = wire.envelope(
        container.rid,
        [values.render(_range(container, partition)) for partition in found],
        name="PartitionKeyRanges",
        count=len(found),
    )
    return Answer(200, body, {**headers, **wire.container_headers(container)})


def _known(container: Container, etag: str | None) -> int | None:
    if etag is None:
        return None
    text = etag.strip('"')
    if not text.isdecimal() or int(text) > container.generation:
        raise errors.bad_request(f"If-None-Match {etag} is no etag of this container's physical partitions.")
    return int(text)


def _range(container: Container, partition: PhysicalPartition) -> JsonObject:
    return {
        "_rid": f"{container.rid}{partition.id}",
        "id": partition.id,
        "_etag": container.properties["_etag"],
        "_ts": container.properties["_ts"],
        "_self": f"{container.properties['_self']}pkranges/{partition.id}/",
        "_lsn": partition.lsn,
        "minInclusive": partition.low,
        "maxExclusive": partition.high,
        "ridPrefix": int(partition.id),
        "throughputFraction": 1 / len(container.partitions),
        "status": "online",
        "parents": list(partition.parents),
    }

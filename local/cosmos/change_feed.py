"""Answer change-feed requests in LSN order; a page never ends within a transaction."""

from collections.abc import Iterator
from email.utils import parsedate_to_datetime

from local.cosmos import all_versions, errors, scope, wire
from local.cosmos.container import Container
from local.cosmos.partition import Document
from local.cosmos.scope import Scope
from local.cosmos.wire import Answer, Call, Page

LATEST_VERSION = "incremental feed"
ALL_VERSIONS = "full-fidelity feed"

Entry = tuple[int, bytes]


def read(container: Container, call: Call) -> Answer:
    """Read the page that follows the request's position."""
    mode = call.headers.get("A-IM", "").lower()
    if mode not in (LATEST_VERSION, ALL_VERSIONS):
        raise errors.bad_request(f"The change feed {call.headers.get('A-IM')!r} does not exist.")
    chosen = scope.of_range(container, call) or scope.of_key(container, call) or _only_partition(container)
    since, position = _since(call), call.header("If-None-Match")
    if mode == ALL_VERSIONS:
        all_versions.check(container, since, position)
        after = _position(chosen, position)
        return _page(container, chosen, all_versions.entries(container, chosen, after), Page(call.page_size()))
    if position is None and since is not None:
        return _start(container, chosen, _before(chosen, since))
    found = _versions(chosen, _position(chosen, position), since)
    entries = ((document.lsn, document.feed_text()) for document in found)
    return _page(container, chosen, entries, Page(call.page_size()))


def _page(container: Container, chosen: Scope, entries: Iterator[Entry], page: Page[bytes]) -> Answer:
    last = chosen.partition.lsn
    for lsn, text in entries:
        if page.full and lsn != last:
            break
        page.add(text, len(text))
        last = lsn
    if not page.items:
        return _nothing_new(container, chosen, chosen.partition.lsn)
    headers = {"etag": f'"{last}"', "x-ms-item-count": str(len(page.items))}
    body = wire.envelope(container.rid, page.items, count=len(page.items))
    return Answer(200, body, {**wire.partition_headers(container, chosen.partition), **headers})


def _start(container: Container, chosen: Scope, lsn: int) -> Answer:
    # The service's first answer to a start by time is 200 with no document, and the position to go on from:
    # https://github.com/Azure/azure-cosmos-dotnet-v3/issues/755
    headers = {**wire.partition_headers(container, chosen.partition), "etag": f'"{lsn}"', "x-ms-item-count": "0"}
    return Answer(200, wire.envelope(container.rid, [], count=0), headers)


def _nothing_new(container: Container, chosen: Scope, lsn: int) -> Answer:
    return Answer(304, headers={**wire.partition_headers(container, chosen.partition), "etag": f'"{lsn}"'})


def _versions(chosen: Scope, after: int, since: float | None) -> Iterator[Document]:
    for document in chosen.partition.versions_after(after):
        if chosen.holds(document) and (since is None or document.ts > since):
            yield document


def _before(chosen: Scope, since: float) -> int:
    first = next(_versions(chosen, 0, since), None)
    return chosen.partition.lsn if first is None else first.lsn - 1


def _position(chosen: Scope, etag: str | None) -> int:
    if etag is None:
        return 0
    if etag == "*":
        return chosen.partition.lsn
    text = etag.strip('"')
    if not text.isdecimal() or int(text) > chosen.partition.lsn:
        raise errors.bad_request(
            f"If-None-Match {etag} is no position in this feed range, which is at {chosen.partition.lsn}."
        )
    return int(text)


def _since(call: Call) -> float | None:
    text = call.header("If-Modified-Since")
    if text is None:
        return None
    try:
        return parsedate_to_datetime(text).timestamp()
    except ValueError as error:
        raise errors.bad_request(f"If-Modified-Since {text!r} is not a date.") from error


def _only_partition(container: Container) -> Scope:
    if len(container.partitions) > 1:
        raise errors.bad_request(
            "A change feed over several physical partitions needs x-ms-documentdb-partitionkeyrangeid."
        )
    return Scope(container.partitions[0])

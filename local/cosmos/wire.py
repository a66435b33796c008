"""Shape requests and answers as the SDK sends and expects them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from email.utils import formatdate
from http import HTTPStatus
from typing import Generic, TypeVar
from urllib.parse import unquote

from local.cosmos import charges, errors
from local.cosmos.container import Container
from local.cosmos.errors import CosmosError
from local.cosmos.partition import Document, PhysicalPartition

DEFAULT_PAGE = 100
LARGEST_PAGE = 1000
PAGE_BYTES = 4 * 1024 * 1024
LARGEST_REQUEST = 2 * 1024 * 1024
NO_BODY = (204, 304)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Call:
    """Hold a request; `headers` must find names however they are capitalized."""

    method: str
    segments: tuple[str, ...]
    headers: Mapping[str, str]
    body: bytes
    host: str
    scheme: str = "http"

    def header(self, name: str) -> str | None:
        """Read a header; empty counts as absent."""
        return self.headers.get(name) or None

    def flag(self, name: str) -> bool:
        """Tell whether a header says true."""
        return self.headers.get(name, "").lower() == "true"

    def page_size(self) -> int:
        """Read how many items a page may have; -1 leaves it to the server."""
        size = self.integer("x-ms-max-item-count")
        if size is None:
            return DEFAULT_PAGE
        if size == 0 or size < -1:
            raise errors.bad_request("The header x-ms-max-item-count must be -1 or greater than 0.")
        return LARGEST_PAGE if size == -1 else size

    def integer(self, name: str) -> int | None:
        """Read a header that must be a whole number."""
        text = self.header(name)
        if text is None:
            return None
        try:
            return int(text)
        except ValueError as error:
            raise errors.bad_request(f"The header {name} must be a whole number, not {text!r}.") from error


@dataclass(frozen=True, slots=True)
class Answer:
    """Hold a response."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Page(Generic[T]):
    """Collect items until there are enough of them or they weigh too much."""

    size: int
    items: list[T] = field(default_factory=list)
    weight: int = 0

    @property
    def full(self) -> bool:
        """Tell whether the page takes no more."""
        return len(self.items) >= self.size or self.weight >= PAGE_BYTES

    def add(self, item: T, weight: int) -> None:
        """Put an item on the page."""
        self.items.append(item)
        self.weight += weight


def check_size(call: Call) -> None:
    """Refuse a request of more than 2 MB."""
    if len(call.body) > LARGEST_REQUEST:
        raise errors.CosmosError(413, "Request size is too large: a request has at most 2 MB.")


def split_path(raw_path: str) -> tuple[str, ...]:
    """Split a request's path, still percent-encoded, into its decoded segments; an encoded slash separates as well."""
    return tuple(segment for segment in unquote(raw_path.partition("?")[0]).split("/") if segment)


def envelope(owner_rid: str, items: Iterable[bytes], *, name: str = "Documents", count: int) -> bytes:
    """Join ready-made JSON texts into a feed's body."""
    return b'{"_rid":"%b","%b":[%b],"_count":%d}' % (owner_rid.encode(), name.encode(), b",".join(items), count)


def partition_headers(container: Container, partition: PhysicalPartition) -> dict[str, str]:
    """Say which physical partition answered, and how far it has come."""
    return {
        "x-ms-session-token": f"{partition.id}:-1#{partition.lsn}",
        "x-ms-documentdb-partitionkeyrangeid": partition.id,
        "lsn": str(partition.lsn),
        **container_headers(container),
    }


def container_headers(container: Container) -> dict[str, str]:
    """Say which container answered."""
    documents = sum(len(partition.by_number) for partition in container.partitions)
    return {
        "x-ms-content-path": container.rid,
        "x-ms-resource-quota": "documentsCount=-1;",
        "x-ms-resource-usage": f"documentsCount={documents};",
    }


def document_headers(document: Document) -> dict[str, str]:
    """Say which version of a document an answer is about."""
    return {"etag": document.etag, "x-ms-item-lsn": str(document.lsn)}


def refuse(error: CosmosError) -> Answer:
    """Turn an error into its answer."""
    headers = {"x-ms-substatus": str(error.substatus)} if error.substatus else {}
    return Answer(error.status, error.body(), {**headers, **error.headers})


def price(answer: Answer, call: Call) -> Answer:
    """Say which resource a request was about, and what it cost unless the answer says so."""
    headers = {
        "x-ms-alt-content-path": "/".join(call.segments[:4]),
        charges.HEADER: charges.of_body(len(answer.body)),
        **answer.headers,
    }
    return replace(answer, headers=headers)


def documents(answer: Answer, operation: str) -> int:
    """Count the documents that an answer is about."""
    count = answer.headers.get("x-ms-item-count")
    if count is not None:
        return int(count)
    return int(operation.endswith("_document") and answer.status < HTTPStatus.BAD_REQUEST)


def complete(answer: Answer, call: Call, *, seconds: float, duration: float) -> Answer:
    """Add the headers that every answer carries; the date is the injected clock's."""
    headers = {
        "Date": formatdate(seconds, usegmt=True),
        "x-ms-activity-id": call.headers.get("x-ms-activity-id", ""),
        "x-ms-request-duration-ms": f"{duration * 1000:.3f}",
        "x-ms-gatewayversion": "version=2.14.0",
        **({} if answer.status in NO_BODY else {"Content-Type": "application/json"}),
        **answer.headers,
    }
    return replace(answer, headers={name: _one_line(value) for name, value in headers.items() if value})


def _one_line(text: str) -> str:
    # Names come from paths and may have line breaks, or be no UTF-8; no header carries those.
    return text if text.isprintable() else "".join(sign if sign.isprintable() else "?" for sign in text)

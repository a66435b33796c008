"""HTTP to Cosmos DB: answers that may hold bytes that are no UTF-8, awaited no longer than a request may take."""

import re
from collections.abc import Mapping, MutableMapping
from typing import Any
from urllib.parse import unquote

from azure.core.exceptions import ServiceRequestError, ServiceResponseError
from azure.core.pipeline.transport import HttpRequest, RequestsTransport, RequestsTransportResponse
from azure.cosmos.exceptions import CosmosClientTimeoutError

from cdc.core import deadline
from cdc.telemetry.instruments import request_charge

# For so long the SDK sleeps before it tries again.
_PAUSE = "x-ms-retry-after-ms"
_CHARGE = "x-ms-request-charge"
_CONTAINER = re.compile(r"/colls/([^/?]+)(/docs)?(/.)?")


class Transport(RequestsTransport):  # type: ignore[misc] # azure-core loads it late, without its type
    """The SDK's transport; each byte that is no UTF-8 becomes a lone surrogate in its text.

    The SDK refuses a whole page for one such byte, or replaces the byte without a word. PostgreSQL cannot store a lone
    surrogate: the one document is parked, and the others of its page are applied.
    """

    def send(
        self, request: HttpRequest, *, proxies: MutableMapping[str, str] | None = None, **options: Any
    ) -> "_Response":
        """Send a request; at the deadline raise the one error after which the SDK does not try again."""
        limit = deadline.current()
        if limit is not None:
            if not limit.remaining():
                raise CosmosClientTimeoutError
            for name in ("connection_timeout", "read_timeout"):
                options[name] = deadline.shorten(options.get(name, limit.remaining()))
        try:
            response = super().send(request, proxies=proxies, **options)
        except (ServiceRequestError, ServiceResponseError):
            if limit is None or limit.remaining():
                raise
            raise CosmosClientTimeoutError from None
        _count_charge(request, response.headers)
        if limit is not None and _PAUSE in response.headers:
            response.headers[_PAUSE] = str(int(deadline.shorten(float(response.headers[_PAUSE]) / 1000) * 1000))
        return _Response(response.request, response.internal_response, response.block_size)


class _Response(RequestsTransportResponse):  # type: ignore[misc] # the same
    def body(self) -> bytes:
        return _escape(super().body())


def _count_charge(request: HttpRequest, headers: Mapping[str, str]) -> None:
    """Count what a request has cost by its container; no other part of its address is kept."""
    found, charge = _CONTAINER.search(request.url), headers.get(_CHARGE)
    if charge and found:
        request_charge.add(float(charge), container=unquote(found[1]), kind=_name_kind(request, *found.groups()[1:]))


def _name_kind(request: HttpRequest, documents: str | None, document: str | None) -> str:
    if documents is None:
        return "other"
    if document is not None:
        return "read_item" if request.method == "GET" else "write_item"
    return "query_change_feed" if "A-IM" in request.headers else "query_items"


def _escape(body: bytes) -> bytes:
    """Write the bytes that are no UTF-8 as JSON escapes."""
    try:
        body.decode()
    except UnicodeDecodeError:
        return body.decode(errors="surrogateescape").encode(errors="backslashreplace")
    return body

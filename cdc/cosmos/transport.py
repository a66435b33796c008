"""HTTP to Cosmos DB: answers that may hold bytes that are no UTF-8, awaited no longer than a request may take."""

from collections.abc import MutableMapping
from typing import Any

from azure.core.exceptions import ServiceRequestError, ServiceResponseError
from azure.core.pipeline.transport import HttpRequest, RequestsTransport, RequestsTransportResponse
from azure.cosmos.exceptions import CosmosClientTimeoutError

from cdc.core import deadline

# For so long the SDK sleeps before it tries again.
_PAUSE = "x-ms-retry-after-ms"


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
        if limit is not None and _PAUSE in response.headers:
            response.headers[_PAUSE] = str(int(deadline.shorten(float(response.headers[_PAUSE]) / 1000) * 1000))
        return _Response(response.request, response.internal_response, response.block_size)


class _Response(RequestsTransportResponse):  # type: ignore[misc] # the same
    def body(self) -> bytes:
        return _escape(super().body())


def _escape(body: bytes) -> bytes:
    """Write the bytes that are no UTF-8 as JSON escapes."""
    try:
        body.decode()
    except UnicodeDecodeError:
        return body.decode(errors="surrogateescape").encode(errors="backslashreplace")
    return body

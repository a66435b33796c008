"""HTTP to Cosmos DB, whose answers may hold bytes that are no UTF-8."""

from collections.abc import MutableMapping
from typing import Any

from azure.core.pipeline.transport import HttpRequest, RequestsTransport, RequestsTransportResponse


class Transport(RequestsTransport):  # type: ignore[misc] # azure-core loads it late, without its type
    """The SDK's transport; each byte that is no UTF-8 becomes a lone surrogate in its text.

    The SDK refuses a whole page for one such byte, or replaces the byte without a word. PostgreSQL cannot store a lone
    surrogate: the one document is parked, and the others of its page are applied.
    """

    def send(
        self, request: HttpRequest, *, proxies: MutableMapping[str, str] | None = None, **options: Any
    ) -> "_Response":
        """Send a request."""
        response = super().send(request, proxies=proxies, **options)
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

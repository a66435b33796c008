"""Read the body of a request, and never more of it than the service takes."""

import asyncio
import zlib

from aiohttp import web

from local.cosmos import errors
from local.cosmos.wire import LARGEST_REQUEST

ENOUGH = LARGEST_REQUEST + 1
ZLIB_OR_GZIP = zlib.MAX_WBITS | 32


async def read(request: web.BaseRequest) -> bytes:
    """Read a body, unpacked; of one that is too large only as much as shows that it is."""
    parts: list[bytes] = []
    size = 0
    try:
        while size < ENOUGH and not request.content.at_eof():
            part = await request.content.readany()
            parts.append(part)
            size += len(part)
    except ConnectionResetError:
        raise asyncio.CancelledError from None  # its client is gone: it never happened
    except web.RequestPayloadError as error:
        raise errors.bad_request("The request's body does not have the form that its headers say.") from error
    return _unpacked(b"".join(parts), request.headers.get("Content-Encoding", "identity").lower())[:ENOUGH]


def _unpacked(raw: bytes, encoding: str) -> bytes:
    if encoding == "identity":
        return raw
    if encoding not in ("gzip", "deflate"):
        raise errors.unsupported(f"The content encoding {encoding!r}")
    unpacking = zlib.decompressobj(ZLIB_OR_GZIP)
    try:
        found = unpacking.decompress(raw, ENOUGH)
    except zlib.error as error:
        raise errors.bad_request(f"The request's body is no {encoding}.") from error
    if len(found) < ENOUGH and not unpacking.eof:
        raise errors.bad_request(f"The request's body is {encoding} without its end.")
    return found

"""Answer every request as another server did the first time, from memory and with next to no work."""

import asyncio
import sys
from urllib.parse import urlsplit

Key = tuple[bytes, ...]


class BareServer:
    """Remember whole responses by what tells requests for pages apart."""

    def __init__(self, upstream: str) -> None:
        address = urlsplit(upstream)
        self._host, self._port = address.hostname or "", address.port or 80
        self._responses: dict[Key, bytes] = {}

    async def serve(self) -> None:
        """Say the address and serve until the process ends."""
        server = await asyncio.start_server(self._converse, "127.0.0.1", 0)
        print(f"bare: http://127.0.0.1:{server.sockets[0].getsockname()[1]}/", flush=True)
        await server.serve_forever()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            try:
                request = await _read_message(reader)
            except (asyncio.IncompleteReadError, ConnectionError):
                writer.close()
                return
            key = _key(request)
            if key not in self._responses:
                self._responses[key] = await self._ask(request)
            writer.write(self._responses[key])
            await writer.drain()

    async def _ask(self, request: bytes) -> bytes:
        reader, writer = await asyncio.open_connection(self._host, self._port, limit=2**20)
        writer.write(request)
        response = await _read_message(reader)
        writer.close()
        return response


async def _read_message(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(_header(head, b"content-length") or 0)
    bodyless = head.startswith((b"HTTP/1.1 304", b"HTTP/1.1 204"))
    return head if bodyless else head + await reader.readexactly(length)


def _key(request: bytes) -> Key:
    first, _, _ = request.partition(b"\r\n")
    return first, _header(request, b"if-none-match"), _header(request, b"a-im")


def _header(message: bytes, name: bytes) -> bytes:
    for line in message.partition(b"\r\n\r\n")[0].split(b"\r\n")[1:]:
        found, _, value = line.partition(b":")
        if found.lower() == name:
            return value.strip()
    return b""


if __name__ == "__main__":
    asyncio.run(BareServer(sys.argv[1]).serve())

"""An app that gives the answers that it is told, and the real page."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from cdc.api.dashboard import PAGE

KEY = "function-key-4711"


class StubApp:
    """Answers on one port, also after it was stopped and started again.

    `answers` has a JSON value for each path to read, with or without its query, or a pair of a status and a value.
    `taken` is the same for every change, which is kept in `asked`.
    """

    def __init__(self, answers: dict[str, Any]) -> None:
        self.answers = answers
        self.taken: tuple[int, Any] = (200, {})
        self.asked: list[tuple[str, Any]] = []
        self._port = 0

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """Return where it answers."""
        return f"http://127.0.0.1:{self._port}/"

    def start(self) -> None:
        """Listen."""
        self._server = ThreadingHTTPServer(("127.0.0.1", self._port), type("Handler", (_Handler,), {"app": self}))
        self._port = self._server.server_port
        threading.Thread(target=self._server.serve_forever, args=(0.05,)).start()

    def stop(self) -> None:
        """Answer nobody any more."""
        self._server.shutdown()
        self._server.server_close()

    def find(self, path: str) -> tuple[int, Any]:
        """Return the status and the JSON of a path."""
        unknown = (404, {"detail": "There is no such thing.", "errors": []})
        made = self.answers.get(path, self.answers.get(path.partition("?")[0], unknown))
        return made if isinstance(made, tuple) else (200, made)


class _Handler(BaseHTTPRequestHandler):
    app: StubApp

    def do_GET(self) -> None:
        path = self.path.removeprefix("/api/")
        if path == "dashboard":
            self._send(PAGE.status, PAGE.body, {"Content-Type": PAGE.content_type, **PAGE.headers})
        else:
            self._answer(*self.app.find(path))

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"] or 0))
        self.app.asked.append((self.path.removeprefix("/api/"), json.loads(body or b"null")))
        self._answer(*self.app.taken)

    def _answer(self, status: int, answer: Any) -> None:
        if self.headers["x-functions-key"] != KEY:
            self._send(401, "", {})
        else:
            self._send(status, json.dumps(answer), {"Content-Type": "application/json"})

    def _send(self, status: int, body: str, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_: Any) -> None:
        """Write no log."""

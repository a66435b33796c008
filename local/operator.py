"""Ask the app what an operator asks it, over HTTP."""

import json
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import Any

from local.patience import PATIENCE_SECONDS


@dataclass(frozen=True)
class Operator:
    """Somebody who knows the app's address and its function key."""

    url: str
    key: str

    def ask(self, method: str, path: str, body: object = None) -> tuple[int, Any]:
        """Send a request and return the status and the JSON of the answer; problems are answers, too."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.url}api/{path}", data, method=method)  # noqa: S310 - our own address
        request.add_header("x-functions-key", self.key)
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE_SECONDS) as response:  # noqa: S310 - our own address
                return response.status, json.load(response)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.loads(error.read() or b"null")

    def resync(self, container: str, id_: str, partition_key: object) -> str:
        """Have one document read now, and return what became of it."""
        body = {"id": id_, "partition_key": partition_key}
        return str(self.ask("POST", f"documents/{container}/resync", body)[1]["result"])

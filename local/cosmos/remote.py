"""Use the controls of a server in another process."""

import json
import urllib.request
from typing import Any

from local.cosmos.admin import ROOT
from local.cosmos.auth import EMULATOR_KEY


class RemoteControls:
    """Steer a server at an address."""

    def __init__(self, url: str, key: str = EMULATOR_KEY) -> None:
        self._url = url
        self._key = key

    def ask(self, method: str, control: str, **arguments: object) -> dict[str, Any]:
        """Execute a control and return what it yields."""
        request = urllib.request.Request(  # noqa: S310 - our own address
            f"{self._url}{ROOT}/{control}",
            data=json.dumps(arguments).encode() if arguments else None,
            headers={"Authorization": f"Bearer {self._key}"},
            method=method,
        )
        with urllib.request.urlopen(request) as response:  # noqa: S310 - our own address
            return dict(json.load(response))

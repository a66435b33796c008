"""Check the keys that requests bring."""

import hmac
from dataclasses import dataclass

from aiohttp import web


@dataclass(frozen=True, slots=True, kw_only=True)
class Keys:
    """Hold the key of all functions, and the admin key, which opens everything."""

    function: str
    admin: str

    def admits(self, request: web.Request, *, only_admin: bool = False) -> bool:
        """Tell whether a request has a key that is good enough."""
        given = request.headers.get("x-functions-key") or request.query.get("code") or ""
        good = (self.admin,) if only_admin else (self.function, self.admin)
        # A header may hold bytes that are no UTF-8.
        sent = given.encode(errors="surrogateescape")
        return any(hmac.compare_digest(sent, key.encode()) for key in good)

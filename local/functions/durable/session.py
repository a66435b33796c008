"""Renew the HTTP session that the SDK's client keeps for the whole process."""

import asyncio

from azure.durable_functions.models.utils import http_utils

_left: list[object] = []


def renew() -> None:
    """Let the client open another session: a new worker has another event loop, which the real one has too."""
    # Nobody can close the old one, because its loop may never run again; it must not be collected while it is open.
    _left.append(http_utils._client_session)  # noqa: SLF001
    http_utils._client_session = None  # noqa: SLF001
    http_utils._session_lock = asyncio.Lock()  # noqa: SLF001

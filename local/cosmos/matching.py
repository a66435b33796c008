"""Say which requests a control is about."""

import re
from dataclasses import dataclass

READ_ACCOUNT = "read_account"


@dataclass(frozen=True, slots=True)
class Request:
    """Name a request: its method, its decoded path with names for resource ids, and the operation that it asks for."""

    method: str
    path: str
    operation: str


class Match:
    """Match requests by method, by a pattern in the path, by operation, or by all of them."""

    def __init__(self, *, method: str | None = None, path: str = "", operation: str | None = None) -> None:
        if not all(isinstance(text, str | None) for text in (method, path, operation)):
            raise ValueError("method, path and operation are texts")
        self._method = method and method.upper()
        self._path = re.compile(path)
        self._operation = operation

    def __call__(self, request: Request) -> bool:
        """Tell whether a request is meant; reading the account, which clients do unasked, only when it is named."""
        if request.operation == READ_ACCOUNT and self._operation != READ_ACCOUNT:
            return False
        return (
            self._method in (None, request.method)
            and self._operation in (None, request.operation)
            and self._path.search(request.path) is not None
        )

"""Say in Cosmos' own words why a request is refused."""

import json
from collections.abc import Mapping

CODES = {
    400: "BadRequest",
    401: "Unauthorized",
    404: "NotFound",
    405: "MethodNotAllowed",
    409: "Conflict",
    410: "Gone",
    412: "PreconditionFailed",
    403: "Forbidden",
    408: "RequestTimeout",
    413: "RequestEntityTooLarge",
    429: "TooManyRequests",
    449: "RetryWith",
    500: "InternalServerError",
    501: "NotImplemented",
    503: "ServiceUnavailable",
}

PARTITION_KEY_MISMATCH = 1001
PARTITION_KEY_RANGE_GONE = 1002
OWNER_NOT_FOUND = 1003
CROSS_PARTITION_QUERY_NOT_SERVABLE = 1004
COLLECTION_RID_MISMATCH = 1024


class CosmosError(Exception):
    """Refuse a request with a status, a sub-status and one sentence."""

    def __init__(
        self, status: int, message: str, *, substatus: int = 0, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.substatus = substatus
        self.headers = headers or {}

    def body(self) -> bytes:
        """Write the error body that the service would send."""
        return json.dumps({"code": CODES.get(self.status, str(self.status)), "message": self.message}).encode()


def bad_request(message: str, *, substatus: int = 0) -> CosmosError:
    """Refuse a request that is wrong."""
    return CosmosError(400, message, substatus=substatus)


def unsupported(what: str) -> CosmosError:
    """Refuse what the service can do and this server cannot."""
    return CosmosError(501, f"{what} is not imitated by this server.")


def not_found(message: str, *, substatus: int = 0) -> CosmosError:
    """Refuse a request for a resource that does not exist."""
    return CosmosError(
        404, f"Entity with the specified id does not exist in the system. {message}", substatus=substatus
    )


def conflict(message: str) -> CosmosError:
    """Refuse to create what exists."""
    return CosmosError(409, f"Entity with the specified id already exists in the system. {message}")


def precondition_failed() -> CosmosError:
    """Refuse a write whose condition does not hold."""
    return CosmosError(412, "Operation cannot be performed because one of the specified precondition is not met.")

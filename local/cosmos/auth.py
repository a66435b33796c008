"""Check the signature that a request carries."""

import base64
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from urllib.parse import unquote

from local.cosmos import rid
from local.cosmos.errors import CosmosError

# Published by Microsoft for its emulator, the same for everyone.
EMULATOR_KEY = "C2y6yDjf5/R+ob0N8A7Cgv30VRDJIWEHLM+4QDU5DE2nQ9nDuVTqobD4b8mGGyPMbIZnqyMsEcaGQy67XIw/Jw=="


def check(key: str, method: str, segments: Sequence[str], headers: Mapping[str, str]) -> None:
    """Raise 401 unless the request is signed with the account's key."""
    given = unquote(headers.get("authorization", ""))
    if not given:
        raise CosmosError(
            401, "Required Header authorization is missing. Ensure a valid Authorization token is passed."
        )
    fields = dict(part.partition("=")[::2] for part in given.split("&"))
    if fields.get("type") != "master":
        raise CosmosError(
            401, f"Authorization of type {fields.get('type')!r} is not imitated by this server; use a key."
        )
    if not headers.get("x-ms-date"):
        raise CosmosError(401, "The required header x-ms-date is missing.")
    payload = signed_text(method, segments, headers["x-ms-date"])
    if not hmac.compare_digest(signature(key, payload).encode(), _bytes(fields.get("sig", ""))):
        raise CosmosError(
            401,
            "The input authorization token can't serve the request. The wrong key is being used or the expected "
            f"payload is not built as per the protocol. Server used the following payload to sign: {payload!r}",
        )


def signature(key: str, payload: str) -> str:
    """Sign a text with a key."""
    return base64.b64encode(hmac.new(base64.b64decode(key), _bytes(payload), hashlib.sha256).digest()).decode()


def signed_text(method: str, segments: Sequence[str], date: str) -> str:
    """Write the text that the client must have signed."""
    resource_type, link = _signed_resource(segments)
    return f"{method.lower()}\n{resource_type}\n{link}\n{date.lower()}\n\n"


def _bytes(text: str) -> bytes:
    # What a client has sent may be no UTF-8; it is then no signature of ours.
    return text.encode(errors="backslashreplace")


def _signed_resource(segments: Sequence[str]) -> tuple[str, str]:
    if not segments:
        return "", ""
    if segments[4:5] == ("operations",):  # carried out on the container
        segments = segments[:4]
    if segments[4:5] == ("docs",) and len(segments) > 6 and segments[6] != "attachments":
        return "docs", "/".join(segments)  # a client that put an id with a slash into the path has signed it as a whole
    feed = len(segments) % 2 == 1
    resource_type = segments[-1] if feed else segments[-2]
    owner = segments[:-1] if feed else segments
    if owner and (owner[0] == "offers" or (len(owner) > 1 and rid.is_database_rid(owner[1]))):
        return resource_type, owner[-1].lower()
    return resource_type, "/".join(owner)

"""Names for documents that do not reveal their identity."""

import hashlib
import hmac

_DIGITS = 12


def fingerprint(key: bytes, secret: str) -> str:
    """Return the first digits of an HMAC of a document's key; they are the same every time."""
    return hmac.new(secret.encode(), key, hashlib.sha256).hexdigest()[:_DIGITS]

"""The page for people: one file that holds no data and asks the API with the key that somebody types."""

import base64
import hashlib
import re
from pathlib import Path

from cdc.api.answers import Answer

_TEXT = Path(__file__).with_suffix(".html").read_text(encoding="utf-8")


def _allow(tag: str) -> str:
    """Return the source expression that allows the page's own inline element, as it is, and no other."""
    found = re.findall(f"<{tag}>(.*?)</{tag}>", _TEXT, re.DOTALL)
    return " ".join(f"'sha256-{base64.b64encode(hashlib.sha256(each.encode()).digest()).decode()}'" for each in found)


POLICY = "; ".join(
    (
        "default-src 'none'",
        f"script-src {_allow('script')}",
        f"style-src {_allow('style')}",
        "img-src data:",  # the icon of the tab
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    )
)

PAGE = Answer(
    200,
    _TEXT,
    "text/html",
    {
        "Content-Security-Policy": POLICY,
        "Cache-Control": "no-cache",
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
        "Cross-Origin-Opener-Policy": "same-origin",
    },
)

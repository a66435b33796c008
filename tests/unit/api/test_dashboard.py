"""The page is one file that asks nobody but the app, and its policy allows nothing else."""

import base64
import hashlib
import re
from pathlib import Path

from cdc.api import dashboard
from cdc.api.dashboard import PAGE, POLICY

# The names of a language, not addresses: nobody asks there.
NAMESPACE = "http://www.w3.org/2000/svg"


def hashed(tag: str) -> str:
    """Return the policy's expression for the only inline element of this kind."""
    (found,) = re.findall(f"<{tag}>(.*?)</{tag}>", PAGE.body, re.DOTALL)
    return f"'sha256-{base64.b64encode(hashlib.sha256(found.encode()).digest()).decode()}'"


def test_the_policy_names_the_script_and_the_style_of_the_page() -> None:
    """And allows no other, no other host, no frame and no form."""
    rules = dict(rule.split(" ", 1) for rule in POLICY.split("; "))

    assert PAGE.headers["Content-Security-Policy"] == POLICY
    assert rules == {
        "default-src": "'none'",
        "script-src": hashed("script"),
        "style-src": hashed("style"),
        "img-src": "data:",
        "connect-src": "'self'",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
        "require-trusted-types-for": "'script'",
        "trusted-types": "'none'",
    }


def test_the_page_holds_no_address_no_handler_and_no_markup_of_others() -> None:
    """It is one file of less than 150 kB."""
    body = PAGE.body.replace(NAMESPACE, "")

    assert len(PAGE.body.encode()) < 150_000
    for forbidden in (
        "https:",
        "http:",
        "innerHTML",
        "outerHTML",
        "insertAdjacent",
        "document.write",
        "eval(",
        "?code=",
    ):
        assert forbidden not in body
    assert re.findall(r"<[^>]*\s(?:on\w+|style|src|srcset)=", body) == []


def test_the_page_is_deployed() -> None:
    """It lies beside its module, and no pattern keeps it at home."""
    ignored = (Path(__file__).parents[3] / ".funcignore").read_text(encoding="utf-8").split()

    assert Path(dashboard.__file__).with_suffix(".html").exists()
    assert not {"*.html", "cdc", "cdc/api"} & set(ignored)

"""Requests are only served when signed with the account's key."""

import base64

import pytest
import requests
from azure.cosmos import CosmosClient
from azure.cosmos.exceptions import CosmosHttpResponseError

from local.cosmos import CosmosServer, auth
from local.cosmos.errors import CosmosError
from local.patience import PATIENCE_SECONDS

DATE = "Tue, 14 Nov 2023 22:13:20 GMT"


def headers(payload: str, *, key: str = auth.EMULATOR_KEY) -> dict[str, str]:
    """Sign a payload."""
    return {"x-ms-date": DATE, "authorization": f"type=master&ver=1.0&sig={auth.signature(key, payload)}"}


def test_wrong_key_is_refused_with_the_payload_that_was_expected(server: CosmosServer) -> None:
    """The SDK's first request fails with 401 and says what the server signed."""
    other = base64.b64encode(b"another key").decode()

    with pytest.raises(CosmosHttpResponseError) as refusal, CosmosClient(server.endpoint, other):
        pass

    assert refusal.value.status_code == 401
    assert "Server used the following payload to sign: 'get" in str(refusal.value)


def test_request_without_signature_is_refused(server: CosmosServer) -> None:
    """A bare GET gets Cosmos' error body and the server's date."""
    answer = requests.get(server.endpoint, timeout=PATIENCE_SECONDS)

    assert answer.status_code == 401
    assert answer.json()["code"] == "Unauthorized"
    assert answer.headers["Date"] == DATE


def test_feed_is_signed_with_its_owner() -> None:
    """A feed's signature covers the owner's path, whose names keep their case."""
    segments = ("dbs", "Db", "colls", "C", "docs")

    auth.check(auth.EMULATOR_KEY, "GET", segments, headers(f"get\ndocs\ndbs/Db/colls/C\n{DATE.lower()}\n\n"))


def test_resource_is_signed_with_its_path() -> None:
    """A resource's signature covers its whole path."""
    segments = ("dbs", "Db", "colls", "C", "docs", "a b")

    auth.check(auth.EMULATOR_KEY, "PUT", segments, headers(f"put\ndocs\ndbs/Db/colls/C/docs/a b\n{DATE.lower()}\n\n"))


def test_resource_id_is_signed_alone_and_lower_case() -> None:
    """A path of resource ids is signed with the last one only."""
    segments = ("dbs", "AQIDBA==", "colls", "AQIDBIUGBwg=")

    auth.check(auth.EMULATOR_KEY, "GET", segments, headers(f"get\ncolls\naqidbiugbwg=\n{DATE.lower()}\n\n"))


@pytest.mark.parametrize(
    "wrong", [{}, {"authorization": "type=aad&ver=1.0&sig=token"}, {"authorization": "type=master&ver=1.0&sig=x"}]
)
def test_anything_else_is_unauthorized(wrong: dict[str, str]) -> None:
    """No signature, another kind of token and no date are all 401."""
    with pytest.raises(CosmosError) as refusal:
        auth.check(auth.EMULATOR_KEY, "GET", (), wrong)

    assert refusal.value.status == 401

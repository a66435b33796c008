"""Items of a change feed are read as changes."""

import pytest

from cdc.errors import FatalError
from cdc.feed import partition_key, read_change
from cdc.model import Identity, Version

ITEM = {"id": "a", "_ts": 1_700_000_000, "_etag": '"1"', "_lsn": 7, "Tenant": {"Name": "t", "Number": 1.0}}


def test_an_item_is_a_change():
    """An item carries its identity, its version and its body."""
    change = read_change("Accounts", ("/id",), ITEM)

    assert change.identity == Identity.of("Accounts", "a", "a")
    assert change.version == Version(1_700_000_000, 7, '"1"')
    assert change.body == ITEM
    assert change.key == change.identity.key


@pytest.mark.parametrize(
    ("paths", "expected"),
    [
        pytest.param(("/id",), "a", id="one path"),
        pytest.param(("/Tenant/Name",), "t", id="nested"),
        pytest.param(('/"Tenant"/"Name"',), "t", id="quoted"),
        pytest.param(("/Missing",), {}, id="missing"),
        pytest.param(("/Tenant/Missing",), {}, id="missing below"),
        pytest.param(("/id/Name",), {}, id="below a value"),
        pytest.param(("/Tenant",), {}, id="an object is no key"),
        pytest.param(("/Tenant/Name", "/id"), ["t", "a"], id="hierarchical"),
        pytest.param(("/Missing", "/id"), [{}, "a"], id="hierarchical with a missing level"),
        pytest.param(("/tenant/Name",), {}, id="case matters"),
    ],
)
def test_partition_key(paths, expected):
    """The partition key is read at the container's own paths."""
    assert partition_key(paths, ITEM) == expected


def test_null_is_a_partition_key():
    """A key that is null is not a missing one."""
    assert partition_key(("/AccountId",), {"AccountId": None}) is None


@pytest.mark.parametrize(
    ("lsn", "expected"), [({}, None), ({"_lsn": None}, None), ({"_lsn": 7}, 7), ({"_lsn": "7"}, 7)]
)
def test_lsn_may_be_unknown_or_text(lsn, expected):
    """An item without `_lsn` has a version with an unknown one."""
    item = {"id": "a", "_ts": 1, "_etag": "x"} | lsn

    assert read_change("Accounts", ("/id",), item).version.lsn == expected


@pytest.mark.parametrize("name", ["id", "_ts", "_etag"])
def test_an_item_that_is_no_document_is_fatal(name):
    """An item without id or version cannot be parked: nobody would know which document it is."""
    item = {key: value for key, value in ITEM.items() if key != name}

    with pytest.raises(FatalError, match="without a usable id, _ts or _etag"):
        read_change("Accounts", ("/Tenant/Name",), item)

"""A property in another spelling is never silent: it is counted and logged, or its document is parked."""

import pytest

from cdc.core.writes import Outcome
from cdc.replication.batch import replicate
from mappers.accounts import ACCOUNTS
from tests.builders import a_change, a_version, an_account

MARKER = "lerato-4711"


def a_delivery(version=0, **overrides):
    """Build a delivery of an account."""
    return a_change(version=a_version(version), body=an_account(**overrides))


def test_an_optional_property_is_counted_and_logged(sink, observer, caplog):
    """The column gets what the application reads; neither the count nor the log has a value, or a name of its own."""
    body = an_account(displayName=MARKER, EMAIL=MARKER, Settings={"theme": MARKER, MARKER: MARKER})
    del body["DisplayName"]

    outcome = replicate(ACCOUNTS, [a_change(body=body)], sink)

    assert outcome == Outcome(applied=1)
    assert observer.rows("accounts", "display_name, settings ->> 'Theme' as theme") == [
        {"display_name": None, "theme": None}
    ]
    found = observer.rows("cdc.observation", "kind, path, documents")
    assert [tuple(each.values()) for each in found] == [
        ("spelling", "$.DisplayName", 1),
        ("spelling", "$.Email", 1),
        ("spelling", "$.Settings.Theme", 1),
        ("unknown", "$.Settings.*", 1),
    ]
    (message,) = [record.getMessage() for record in caplog.records]
    assert message == (
        "documents of Accounts have properties in another spelling: $.DisplayName, $.Email, $.Settings.Theme "
        "action=misspelled container=Accounts"
    )


@pytest.mark.parametrize(
    ("overrides", "path"),
    [
        pytest.param({"isDeleted": True}, "$.IsDeleted", id="isDeleted"),
        pytest.param({"is_deleted": 1}, "$.IsDeleted", id="is_deleted"),
        pytest.param({"isdeleted": True, "IsDeleted": False}, "$.IsDeleted", id="beside IsDeleted"),
        pytest.param({"email": MARKER, "Email": None}, "$.Email", id="email"),
    ],
)
def test_a_row_does_not_stay_without_a_letter(sink, observer, overrides, path):
    """The row that stood there stays, and its document waits with its reason."""
    replicate(ACCOUNTS, [a_delivery()], sink)

    replicate(ACCOUNTS, [a_delivery(1, **overrides)], sink)

    assert observer.letters()["a"][:2] == ("mapping", path)
    assert observer.states() == {"a": "parked"}
    assert observer.ids() == ["a"]


def test_a_true_delete_mark_wins(sink, observer):
    """Nothing else in the document matters, nor what else it is called."""
    replicate(ACCOUNTS, [a_delivery()], sink)

    replicate(ACCOUNTS, [a_delivery(1, **{"$type": 5}, IsDeleted=True, isDeleted=False, Email=None)], sink)

    assert (observer.ids(), observer.letters(), observer.states()) == ([], {}, {"a": "applied"})

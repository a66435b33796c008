"""Small ledgers are counted for everybody who asks; of a large one the newest count is shown, with its time."""

from datetime import UTC, datetime

import pytest
from psycopg.sql import SQL, Identifier

from cdc.core.errors import FatalError
from cdc.operations import counts
from cdc.operations.counts import Counts
from cdc.postgres.statements import statement
from cdc.replication.batch import replicate
from mappers.accounts import ACCOUNTS
from mappers.user_profiles import USER_PROFILES
from tests.builders import TS, a_change, a_profile, a_version, an_account


@pytest.fixture
def large(monkeypatch):
    """Whatever has a document takes long to count."""
    monkeypatch.setattr(counts, "_SMALL_BYTES", 0)


def test_status_counts_documents_and_letters(database, sink):
    """Documents by state, the newest ts, and letters by kind, for each container."""
    batch = [
        a_change("a"),
        a_change("b", version=a_version(9)),
        a_change("c", version=a_version(5, lsn=1)),
        a_change("d", body=an_account(Email=None)),
        a_change("e", body=None),
    ]
    replicate(ACCOUNTS, batch, sink)
    replicate(ACCOUNTS, [a_change("c", version=a_version(5))], sink)
    replicate(USER_PROFILES, [a_change("p", container="UserProfiles", body=a_profile())], sink)

    ledger, letters = Counts(database).read_ledger(), Counts(database).count_letters()

    assert ledger.of("Accounts") == {"applied": 3, "parked": 1, "deleted": 1, "unmapped": 0}
    assert ledger.of("UserProfiles") == {"applied": 1, "parked": 0, "deleted": 0, "unmapped": 0}
    assert ledger.newest_ts("Accounts") == TS + 9
    assert ledger.counted_at <= datetime.now(UTC)
    assert sorted((each.container, each.kind, each.state, each.documents) for each in letters) == [
        ("Accounts", "mapping", "waiting", 1),
        ("Accounts", "undecided", "waiting", 1),
    ]


def test_a_small_ledger_is_counted_at_once(database, sink, connection):
    """Nobody reads an old count, and none is kept."""
    replicate(ACCOUNTS, [a_change("a")], sink)
    Counts(database).keep_ledger()
    replicate(ACCOUNTS, [a_change("b")], sink)

    assert [count.documents for count in Counts(database).read_ledger().counts] == [2]
    assert connection.execute("select count(*) from cdc.ledger_count").fetchone() == (0,)


def test_a_large_ledger_is_not_read_by_who_asks(database, sink, connection, large):
    """The kept count is shown with its age to who may not even read the ledger; without one, nothing is known."""
    replicate(ACCOUNTS, [a_change("a"), a_change("b")], sink)
    forbid = SQL("revoke select on cdc.document from {}").format(Identifier("migrated_cdc_writer"))
    allow = SQL("grant select on cdc.document to {}").format(Identifier("migrated_cdc_writer"))
    connection.execute(forbid)
    assert Counts(database).read_ledger() is None
    with pytest.raises(FatalError, match="permission denied"):
        Counts(database).keep_ledger()
    connection.execute(allow)
    Counts(database).keep_ledger()
    connection.execute("update cdc.ledger_count set counted_at = counted_at - interval '5 minutes'")
    connection.execute(forbid)

    ledger = Counts(database).read_ledger()

    assert ledger.of("Accounts") == {"applied": 2, "parked": 0, "deleted": 0, "unmapped": 0}
    assert 300 <= ledger.age_seconds < 900


def test_a_large_ledger_is_counted_four_times_an_hour(database, sink, connection, large):
    """A young count stays, an old one is renewed, and `anew` waits for nothing."""
    counted = Counts(database)
    replicate(ACCOUNTS, [a_change("a"), a_change("b")], sink)
    counted.keep_ledger()
    replicate(ACCOUNTS, [a_change("c")], sink)

    def kept():
        counted.keep_ledger()
        return counted.read_ledger().of("Accounts")["applied"]

    assert kept() == 2
    connection.execute("update cdc.ledger_count set counted_at = counted_at - interval '15 minutes'")
    assert kept() == 3
    replicate(ACCOUNTS, [a_change("d")], sink)
    counted.keep_ledger(anew=True)
    assert kept() == 4


def test_what_status_reads_of_a_large_ledger_is_one_row(database, connection):
    """The plan has no scan of the ledger; the row is the same whatever the ledger holds."""
    plan = connection.execute("explain " + statement("read_ledger_count")).fetchall()

    assert "ledger_count" in str(plan)
    assert "document" not in str(plan)

"""The source container that was seen first is the only one that is believed."""

import pytest

from cdc.backfill.job import Options
from cdc.backfill.store import PostgresBackfills
from cdc.core.errors import FatalError
from cdc.core.source_container import SourceContainer
from cdc.postgres import containers
from cdc.postgres.containers import PostgresFeedStates
from cdc.replication.batch import replicate
from mappers.accounts import ACCOUNTS
from mappers.user_profiles import USER_PROFILES
from tests.builders import a_change, a_version, an_account

FIRST = SourceContainer("Accounts", "one.documents.azure.com", "k1xAAJ8c2QA=", ("/id",))
RECREATED = SourceContainer("Accounts", "one.documents.azure.com", "k1xAAK8c2QA=", ("/id",))
ANOTHER = SourceContainer("Accounts", "two.documents.azure.com", "k1xAAJ8c2QA=", ("/id",))


def test_the_container_seen_first_stays_welcome(database):
    """Whoever comes with the same container goes on."""
    for _ in range(3):
        containers.confirm(database, FIRST)


@pytest.mark.parametrize("other", [RECREATED, ANOTHER], ids=["created again", "another account"])
def test_another_container_is_refused_until_it_is_adopted(database, other):
    """One sentence names both and the command; afterwards the other one is the only one."""
    containers.confirm(database, FIRST)

    with pytest.raises(FatalError, match="python -m cdc adopt Accounts"):
        containers.confirm(database, other)
    containers.adopt(database, other)

    containers.confirm(database, other)
    with pytest.raises(FatalError, match="is not the one seen first"):
        containers.confirm(database, FIRST)


def test_the_container_that_was_seen_before_is_not_adopted(database, sink, observer):
    """A command too many ends no backfill, forgets no number and asks for no comparison."""
    replicate(ACCOUNTS, [a_change(version=a_version(0, 900))], sink)
    containers.confirm(database, RECREATED)
    backfills = PostgresBackfills(database)
    backfills.insert("running", ["Accounts"], Options())

    assert not containers.adopt(database, RECREATED)

    assert backfills.list_running() == ["running"]
    assert [row["lsn"] for row in observer.rows("cdc.document", "lsn")] == [900]
    (feed,) = PostgresFeedStates(database).read()
    assert (feed.backfill_since, feed.complete_reconcile_since) == (None, None)


def test_adopting_forgets_what_the_other_life_numbered(database, sink, observer):
    """A restored container counts its lsn anew: a later version with a smaller number is not held for older."""
    body = an_account()
    replicate(ACCOUNTS, [a_change(version=a_version(0, 900), body=body)], sink)

    containers.adopt(database, RECREATED)
    outcome = replicate(ACCOUNTS, [a_change(version=a_version(5, 3), body=body)], sink)

    assert (outcome.applied, outcome.undecided) == (1, 0)


def test_adopting_a_ledger_of_any_size_holds_nobody_up(database, sink, observer, monkeypatch):
    """The numbers are forgotten in small transactions, none of which outlasts the time that a statement has."""
    monkeypatch.setattr(containers, "_FORGOTTEN_AT_ONCE", 4)
    replicate(ACCOUNTS, [a_change(str(number), version=a_version(0, 900)) for number in range(10)], sink)
    other = a_change("p", container="UserProfiles", version=a_version(0, 900), body=None)
    replicate(USER_PROFILES, [other], sink)

    containers.adopt(database, RECREATED)

    kept = observer.rows("cdc.document", "container, lsn, xmin::text")
    assert {(row["container"], row["lsn"]) for row in kept} == {("Accounts", None), ("UserProfiles", 900)}
    assert len({row["xmin"] for row in kept if row["container"] == "Accounts"}) == 3


@pytest.mark.parametrize(
    ("rid", "same"),
    [
        pytest.param("k1xAAJ8c2QAFAAAAAAAAAA==", True, id="a document of it"),
        pytest.param("k1xAAK8c2QAFAAAAAAAAAA==", False, id="a document of another"),
        pytest.param("k1-AAJ8c2QAFAAAAAAAAAA==", False, id="a slash written as a dash"),
        pytest.param(None, True, id="no resource id"),
        pytest.param("nonsense!", True, id="no base64"),
    ],
)
def test_a_document_tells_which_container_it_is_of(rid, same):
    """The first half of a document's resource id is its container's."""
    assert FIRST.has([{"_rid": "k1xAAJ8c2QABAAAAAAAAAA=="}, {"_rid": rid}]) is same


class Account:
    """An account with this container, as the source would say."""

    def check_account(self):
        """Find nothing wrong."""

    def read_source_container(self, container):
        """Say which container this is."""
        return {FIRST.container: FIRST}[container]


def test_whoever_asks_first_the_feed_is_noted_with_its_first_delivery(database):
    """A reconcile asks which container this is before the feed delivers, and what must be noted may fail at first."""
    noted = []

    def note(container):
        noted.append(container)
        if len(noted) == 1:
            raise FatalError("The account does not keep what the mode needs.")

    source = containers.ConfirmedSource(Account(), database, note)
    source.confirm_now("Accounts")
    assert noted == []
    with pytest.raises(FatalError):
        source.confirm("Accounts")
    for _ in range(2):
        source.confirm("Accounts")

    assert noted == ["Accounts", "Accounts"]

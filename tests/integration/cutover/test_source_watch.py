"""After the switch: writes to Cosmos that somebody forgot are found, counted, and never applied."""

import pytest
from azure.cosmos import PartitionKey

from cdc.postgres import forgotten
from tests.builders import an_account


@pytest.fixture
def switched(rehearsed):
    """The accounts after the cut-over."""
    rehearsed.run.run()
    return rehearsed


def find(world):
    """Look once, and return how many documents and writes of accounts were found."""
    world.watch.look()
    return [(each.documents, each.open, each.writes) for each in forgotten.count(world.writer)]


def test_a_quiet_source_is_no_alarm(switched):
    """What arrived before the switch is in the ledger."""
    assert find(switched) == []
    assert switched.watch.find_problems() == []


def test_a_forgotten_write_is_found_in_one_look_and_not_applied(switched, connection):
    """A change of a document, and a new one; a third write counts once more."""
    before = connection.execute("select * from accounts order by id").fetchall()
    switched.write("a", DisplayName="stray")
    switched.write("new")

    assert find(switched) == [(2, 2, 2)]
    assert find(switched) == [(2, 2, 2)]
    switched.write("a", DisplayName="again")
    assert find(switched) == [(2, 2, 3)]
    (sentence,) = switched.watch.find_problems()
    assert sentence.startswith("Documents of Accounts that were written to Cosmos since the cut-over: 2, ")
    assert "stray" not in sentence
    assert connection.execute("select * from accounts order by id").fetchall() == before


def test_accepted_writes_are_no_alarm_until_the_next_one(switched):
    """The count stays."""
    switched.write("a")
    find(switched)

    assert forgotten.accept(switched.writer) == 1

    assert switched.watch.find_problems() == []
    switched.write("a")
    assert find(switched) == [(1, 1, 2)]
    assert [identity.id for identity in forgotten.list_open(switched.writer, 9)] == ['"a"']


@pytest.mark.parametrize("when", ["before the write", "after the write"])
def test_a_split_is_followed(switched, when):
    """The children are read from where their parent was."""
    if when == "before the write":
        switched.controls.split("MystiraAppDb", "Accounts", "0")
    for number in range(8):
        switched.write(f"new{number}")
    if when == "after the write":
        switched.controls.split("MystiraAppDb", "Accounts", "0")

    assert find(switched) == [(8, 8, 8)]
    for number in range(8):
        switched.write(f"more{number}")
    assert find(switched) == [(16, 16, 16)]


def test_a_merge_is_followed(switched):
    """A document that two cursors read counts once."""
    switched.controls.merge("MystiraAppDb", "Accounts", "0")
    for number in range(8):
        switched.write(f"new{number}")

    assert find(switched) == [(8, 8, 8)]


def test_expiries_and_deletes_are_no_alarm(switched):
    """They are in no feed of latest versions."""
    accounts = switched.accounts.source.containers["Accounts"]
    database = switched.accounts.source.client.get_database_client("MystiraAppDb")
    database.replace_container(accounts, PartitionKey("/id"), default_ttl=60)
    switched.accounts.source.delete("Accounts", an_account("b"))
    switched.controls.clock.advance(100)
    assert switched.accounts.source.count("Accounts") == 0

    assert find(switched) == []


def test_two_instances_count_a_write_once(switched):
    """Both look at the same moment: the place moves for one of them."""
    before = forgotten.read_positions(switched.writer)["Accounts"]
    switched.write("a")
    find(switched)

    assert not forgotten.move(switched.writer, "Accounts", before, before, [])

    assert find(switched) == [(1, 1, 1)]


def test_before_the_switch_nothing_is_watched(rehearsed):
    """A run that did not switch leaves no places."""
    assert forgotten.read_positions(rehearsed.writer) == {}
    assert find(rehearsed) == []


def test_a_write_between_the_places_and_the_switch_is_found(rehearsed, monkeypatch):
    """The places are taken before the last look, so nothing comes in between unseen."""
    switch = type(rehearsed.run)._switch

    def write_and_switch(run, *arguments):
        rehearsed.write("a", DisplayName="in between")
        return switch(run, *arguments)

    monkeypatch.setattr(type(rehearsed.run), "_switch", write_and_switch)
    rehearsed.run.run()

    assert find(rehearsed) == [(1, 1, 1)]

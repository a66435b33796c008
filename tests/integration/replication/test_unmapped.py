"""A document of a type that no mapper takes is in the ledger as unmapped, with its type, and has no rows."""

import pytest

from cdc.core.mapping import Mapper, Read
from cdc.core.writes import Outcome, map_change
from cdc.postgres.unmapped_types import TypeNames
from cdc.replication import sink as sink_module
from cdc.replication.batch import replicate
from cdc.replication.sink import PostgresSink
from mappers import tables
from mappers.accounts import ACCOUNTS
from mappers.user_profiles import USER_PROFILES
from tests.builders import a_badge, a_change, a_profile, a_version, an_account, an_upsert

HOSTILE = {
    "an e-mail": "lerato@example.com",
    "words": "Lerato M",
    "a path": "../lerato",
    "a long text": "lerato" * 2_000,
    "control characters": "lerato\x1b[2J\r\n",
    "a line end": "Lerato\n",
    "NUL": "lerato\0",
    "a lone surrogate": "lerato\ud83e",
    "other letters": "Lérato",
    "only a blank": " ",
    "just too long": "L" * 65,
    "a generic type": "List`1[[Lerato]]",
}


def unmapped(id_="a", ts=0, type_="SalesOrder"):
    """Build a version of a document of another type."""
    return an_upsert(id_, ts, **{"$type": type_})


def shown(names, container, type_):
    """Return under which name a type is written."""
    (write,) = names.show(container, [map_change(ACCOUNTS, unmapped(type_=type_))])
    return write.rows.unmapped_type


def types(observer):
    """Return the ledger's unmapped documents by id, and the names that are kept."""
    rows = observer.rows("cdc.document", "id, state, unmapped_type")
    names = {row["type"] for row in observer.rows("cdc.unmapped_type")}
    return {row["id"].strip('"'): row["unmapped_type"] for row in rows if row["state"] == "unmapped"}, names


def test_a_document_of_a_type_that_nobody_maps_is_counted_by_its_type(sink, observer):
    """It was counted as applied, without a row, a letter or a word."""
    outcome = replicate(ACCOUNTS, [unmapped("a"), an_upsert("b")], sink)

    assert outcome == Outcome(applied=1, unmapped=1)
    assert types(observer) == ({"a": "SalesOrder"}, {"SalesOrder"})
    assert observer.states() == {"a": "unmapped", "b": "applied"}
    assert (observer.ids(), observer.letters()) == (["b"], {})


def test_the_other_property_that_names_a_type_counts_too(sink, observer):
    """Early documents have Discriminator instead of $type."""
    body = an_account(Discriminator="SalesOrder")
    del body["$type"]

    assert replicate(ACCOUNTS, [a_change(body=body)], sink) == Outcome(unmapped=1)
    assert types(observer)[0] == {"a": "SalesOrder"}


def test_a_second_delivery_of_an_unmapped_document_changes_nothing(sink, observer, database):
    """It is stale, as every version that is there already; another worker finds the same."""
    batch = [unmapped("a"), unmapped("b", type_="Invoice")]
    replicate(ACCOUNTS, batch, sink)
    before = observer.tuples()

    assert replicate(ACCOUNTS, batch, PostgresSink(database)) == Outcome(stale=2)
    assert observer.tuples() == before


def test_versions_of_an_unmapped_document_follow_the_order_of_all_versions(sink, observer):
    """A newer one replaces it and its type, an older one does not."""
    replicate(ACCOUNTS, [unmapped(ts=5)], sink)

    assert replicate(ACCOUNTS, [an_upsert(ts=3)], sink) == Outcome(stale=1)
    assert replicate(ACCOUNTS, [unmapped(ts=7, type_="Invoice")], sink) == Outcome(unmapped=1)
    assert types(observer)[0] == {"a": "Invoice"}
    assert replicate(ACCOUNTS, [a_change(version=a_version(9), body=None)], sink) == Outcome(deleted=1)
    assert types(observer)[0] == {}


def test_a_document_that_becomes_unmapped_gives_up_its_rows(sink, observer):
    """Child rows too; those of other documents stay."""
    other = a_change("q", container="UserProfiles", body=a_profile("q"))
    mine = a_change("p", container="UserProfiles", body=a_profile(EarnedBadges=[a_badge("b1"), a_badge("b2")]))
    replicate(USER_PROFILES, [mine, other], sink)
    gone = a_change("p", container="UserProfiles", version=a_version(1), body=a_profile(**{"$type": "SalesOrder"}))

    assert replicate(USER_PROFILES, [gone], sink) == Outcome(unmapped=1)
    assert observer.ids("user_profiles") == ["q"]
    assert [row["user_profile_id"] for row in observer.rows("user_badges")] == ["q"]


def test_an_unmapped_document_that_is_mapped_again_is_applied(sink, observer):
    """Its type is forgotten with its state."""
    replicate(ACCOUNTS, [unmapped()], sink)

    assert replicate(ACCOUNTS, [an_upsert(ts=1)], sink) == Outcome(applied=1)
    assert (observer.ids(), types(observer)[0]) == (["a"], {})


@pytest.mark.parametrize(("last", "outcome"), [("Account", "applied"), ("SalesOrder", "unmapped")])
def test_a_document_that_changes_its_type_within_a_batch_is_what_it_was_last(sink, observer, last, outcome):
    """Mapped, unmapped and mapped again, or the other way round: only the last version counts."""
    types_ = {"Account": ["Account", "SalesOrder", "Account"], "SalesOrder": ["SalesOrder", "Account", "SalesOrder"]}
    versions = [unmapped(ts=ts, type_=type_) for ts, type_ in enumerate(types_[last])]

    assert replicate(ACCOUNTS, versions, sink) == Outcome(stale=2, **{outcome: 1})
    assert observer.states() == {"a": outcome}
    assert observer.ids() == (["a"] if outcome == "applied" else [])


def test_a_row_goes_from_a_document_that_becomes_unmapped_to_another_in_one_batch(sink, observer):
    """Whichever of the two comes first in key order, the new holder's row stays."""
    for one, other in (("one", "two"), ("two", "one")):
        observer.empty()
        replicate(ACCOUNTS, [an_upsert(one, row="r")], sink)

        outcome = replicate(ACCOUNTS, [unmapped(one, ts=1), an_upsert(other, row="r", DisplayName=other)], sink)

        assert outcome == Outcome(applied=1, unmapped=1)
        assert [row["display_name"] for row in observer.rows("accounts")] == [other]


def test_a_document_that_waits_for_a_row_gets_it_when_its_holder_becomes_unmapped(sink, observer):
    """The letter is due at once, as when the holder is deleted."""
    replicate(ACCOUNTS, [an_upsert("one", row="r")], sink)
    replicate(ACCOUNTS, [an_upsert("two", row="r")], sink)
    waiting = "select next_attempt_at <= now() from cdc.dead_letter"
    assert observer.connection.execute(waiting).fetchall() == [(False,)]

    replicate(ACCOUNTS, [unmapped("one", ts=1)], sink)

    assert observer.connection.execute(waiting).fetchall() == [(True,)]


def test_a_document_that_was_parked_loses_its_letter_and_its_rows_when_it_becomes_unmapped(sink, observer):
    """And the other way round: an unmapped document can be parked."""
    replicate(ACCOUNTS, [an_upsert(ts=0)], sink)
    replicate(ACCOUNTS, [an_upsert(ts=1, Email=None)], sink)
    assert (observer.ids(), list(observer.letters())) == (["a"], ["a"])

    replicate(ACCOUNTS, [unmapped(ts=2)], sink)
    assert (observer.ids(), observer.letters(), observer.states()) == ([], {}, {"a": "unmapped"})

    assert replicate(ACCOUNTS, [an_upsert(ts=3, Email=None)], sink).parked == 1
    assert (observer.states(), types(observer)[0]) == ({"a": "parked"}, {})


@pytest.mark.parametrize("type_", [5, True, ["SalesOrder"], {"Name": "SalesOrder"}])
def test_a_type_that_is_not_a_text_parks_its_document(sink, observer, type_):
    """Nobody knows its type: it has a letter, and is not counted as unmapped."""
    outcome = replicate(ACCOUNTS, [unmapped(type_=type_)], sink)

    assert (outcome.parked, outcome.unmapped) == (1, 0)
    assert observer.letters()["a"][:2] == ("mapping", "$.$type")
    assert types(observer) == ({}, set())


@pytest.mark.parametrize("type_", [None, ""])
def test_an_empty_type_is_no_other_type(sink, type_):
    """A document without a type is of its container's type."""
    assert replicate(ACCOUNTS, [unmapped(type_=type_)], sink) == Outcome(applied=1)


class _Demanding:
    """A reader of a container whose documents must name their type."""

    types = frozenset({"Account"})

    def read(self, body):
        """Refuse a document without a type."""
        return Read(None, unmapped_type=body.get("$type", ""))


def test_a_missing_type_where_the_reader_demands_one_is_other(sink, observer):
    """It has no name that could be shown."""
    mapper = Mapper(container="Accounts", reader=_Demanding(), tables=(tables.accounts,), rows=lambda _: None)

    assert replicate(mapper, [a_change(body={"id": "a"})], sink) == Outcome(unmapped=1)
    assert types(observer) == ({"a": "other"}, set())


def test_a_document_that_is_deleted_softly_is_applied_without_rows(sink, observer):
    """Its mapper knows it: it is not unmapped. One of another type stays unmapped, deleted or not."""
    outcome = replicate(
        ACCOUNTS, [an_upsert("a", IsDeleted=True), an_upsert("b", IsDeleted=True, **{"$type": "SalesOrder"})], sink
    )

    assert outcome == Outcome(applied=1, unmapped=1)
    assert observer.states() == {"a": "applied", "b": "unmapped"}


@pytest.mark.parametrize("type_", HOSTILE.values(), ids=HOSTILE)
def test_a_type_that_is_no_identifier_is_shown_nowhere(sink, observer, type_):
    """A type's name is content of a document: it may be anything, also personal data."""
    assert replicate(ACCOUNTS, [unmapped(type_=type_)], sink) == Outcome(unmapped=1)

    assert types(observer) == ({"a": "other"}, set())
    assert "erato" not in str([observer.rows(table) for table in ("cdc.document", "cdc.observation")])


def test_the_first_twenty_names_of_a_container_are_shown(sink, observer, database):
    """The others are `other`, now and later, and for another worker. Another container has names of its own."""
    replicate(ACCOUNTS, [unmapped(f"d{n:02}", type_=f"Type{n:02}") for n in range(20)], sink)
    assert types(observer)[0] == {f"d{n:02}": f"Type{n:02}" for n in range(20)}

    later = [unmapped(f"d{n:02}", ts=1, type_=f"Type{n:02}") for n in (3, 20, 21)]
    assert replicate(ACCOUNTS, later, PostgresSink(database)) == Outcome(unmapped=3)
    found, names = types(observer)
    assert [found[id_] for id_ in ("d03", "d20", "d21")] == ["Type03", "other", "other"]
    assert len(names) == 20

    stranger = a_change("p", container="UserProfiles", body=a_profile(**{"$type": "Type20"}))
    replicate(USER_PROFILES, [stranger], sink)
    assert types(observer)[0]["p"] == "Type20"


def test_a_batch_of_more_types_than_are_shown_is_written(sink, observer):
    """Twenty of them by name, all of them counted."""
    assert replicate(ACCOUNTS, [unmapped(f"d{n}", type_=f"Type{n}") for n in range(25)], sink) == Outcome(unmapped=25)

    found, names = types(observer)
    assert (len(names), set(found.values())) == (20, names | {"other"})
    assert list(found.values()).count("other") == 5


def test_workers_that_meet_new_types_at_once_keep_twenty_between_them(database, observer):
    """Each fills what it saw free, and shows what the other has kept."""
    one, other = TypeNames(database), TypeNames(database)
    names = [f"Type{n:02}" for n in range(30)]
    one.keep("Accounts", names[:15])

    other.keep("Accounts", names[10:])

    kept = types(observer)[1]
    assert kept == set(names[:20])
    assert {name for name in names if shown(other, "Accounts", name) == name} == kept
    one.keep("Accounts", names[10:])
    assert {name for name in names if shown(one, "Accounts", name) == name} == kept


def test_a_type_called_other_takes_no_place(sink, observer):
    """It is shown as what it would be shown as anyway."""
    replicate(ACCOUNTS, [unmapped(type_="other")], sink)

    assert types(observer) == ({"a": "other"}, set())


def test_names_are_kept_before_the_ledger_is_locked(sink, observer, monkeypatch):
    """A batch that fails later leaves the name, and nothing else; the next try does not keep it again."""
    broken = True
    write = sink_module.parking.write

    def fail(*arguments):
        if broken:
            raise RuntimeError
        return write(*arguments)

    monkeypatch.setattr(sink_module.parking, "write", fail)
    with pytest.raises(RuntimeError):
        replicate(ACCOUNTS, [unmapped()], sink)
    assert types(observer) == ({}, {"SalesOrder"})

    broken = False
    assert replicate(ACCOUNTS, [unmapped()], sink) == Outcome(unmapped=1)

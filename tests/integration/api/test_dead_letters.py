"""Dead letters worked by hand, over a real database."""

import json

import pytest

from cdc.api.answers import read_body, read_query
from cdc.api.dead_letters import DeadLetters, LetterQuery, ReplayRequest
from cdc.core.documents import Identity, Reading
from cdc.core.errors import ConflictError, RequestError, UnknownError
from cdc.core.fingerprints import fingerprint
from cdc.repair.parking import PostgresLetters
from cdc.repair.reread import Ending, retry
from cdc.repair.store import PostgresRereadStore
from cdc.replication.batch import replicate
from mappers.accounts import ACCOUNTS
from mappers.user_profiles import USER_PROFILES
from tests.builders import TS, a_change, a_profile, a_version, an_account

KEY = "for the tests only"


@pytest.fixture
def letters(database):
    """The use case under test."""
    return DeadLetters(PostgresLetters(database), ["Accounts", "UserProfiles"], KEY)


@pytest.fixture
def parked(sink):
    """Three parked documents: two accounts that no mapper takes, and a profile."""
    bad = [a_change(id_, body=an_account(id_, Email=None)) for id_ in ("lerato", "thabo")]
    replicate(ACCOUNTS, bad, sink)
    replicate(USER_PROFILES, [a_bad_profile()], sink)


def a_bad_profile(ts=0):
    """Build a version of a profile that no mapper takes."""
    body = a_profile("naledi", Name=None)
    return a_change("naledi", container="UserProfiles", version=a_version(ts), body=body)


def query(**values):
    """Read a query as it comes over HTTP."""
    return read_query(LetterQuery, values)


def numbers(page):
    """Return the numbers of a page's letters."""
    return [item.id for item in page.items]


def test_letters_are_listed_without_identities(letters, parked):
    """A document is called by its fingerprint; path and message quote nothing."""
    page = letters.list(query(container="Accounts"))

    keys = sorted(Identity.of("Accounts", id_, id_).key for id_ in ("lerato", "thabo"))
    assert [item.document for item in page.items] == [fingerprint(key, KEY) for key in keys]
    assert {(item.kind, item.path, item.state, item.attempts) for item in page.items} == {
        ("mapping", "$.Email", "waiting", 0)
    }
    assert not any(name in page.model_dump_json() for name in ("lerato", "thabo", "naledi"))


def test_pages_follow_each_other(letters, parked):
    """`next` is the `after` of the page that follows, and null on the last one."""
    first = letters.list(query(limit="2"))
    second = letters.list(query(limit="2", after=first.next))

    assert len(first.items) == 2
    assert first.next == str(first.items[-1].id)
    assert len(second.items) == 1
    assert second.next is None
    assert letters.list(query(limit="3")).next is None


@pytest.mark.parametrize(
    ("values", "count"),
    [
        ({}, 3),
        ({"kind": "mapping"}, 3),
        ({"kind": "data"}, 0),
        ({"container": "UserProfiles"}, 1),
        ({"state": "waiting", "kind": "mapping", "container": "Accounts"}, 2),
        ({"state": "exhausted"}, 0),
        ({"code": "the function key"}, 3),
    ],
)
def test_letters_are_filtered(letters, parked, values, count):
    """All filters hold together; the function key may stand in the query."""
    assert len(letters.list(query(**values)).items) == count


def test_a_container_that_is_not_replicated_is_refused(letters, parked):
    """A slip of the pen must not read as if nothing was parked; the sentence names the containers that may be meant."""
    with pytest.raises(UnknownError, match="name one of Accounts, UserProfiles"):
        letters.list(query(container="accounts"))
    with pytest.raises(UnknownError, match="name one of Accounts, UserProfiles"):
        letters.replay_all(read_body(ReplayRequest, b'{"container": "accounts"}'))


@pytest.mark.parametrize(
    "values",
    [
        {"kind": "poison"},
        {"state": "x"},
        {"limit": "0"},
        {"limit": "201"},
        {"after": "-1"},
        {"after": str(2**63)},
        {"after": "\u0664"},
        {"after": ""},
        {"page": "2"},
        {"container": "a\0b"},
    ],
)
def test_wrong_queries_are_refused(values):
    """The field is named."""
    with pytest.raises(RequestError) as refusal:
        query(**values)

    assert refusal.value.fields[0][0] == next(iter(values))


class MendedSource:
    """Hold the parked versions, and a mapper's mending: the same documents, which are taken now."""

    def read_document(self, identity):
        """Answer with the account."""
        id_, version = json.loads(identity.id), a_version()
        return Reading(an_account(id_) | {"_ts": version.ts, "_etag": version.etag}, TS + 9)


def test_a_mended_mapper_empties_the_queue(database, sink, observer, letters, parked):
    """Replaying one kind of one container has all its documents read again, and nothing else."""
    replayed = letters.replay_all(read_body(ReplayRequest, b'{"container": "Accounts", "kind": "mapping"}'))
    repairs = PostgresRereadStore(database, backoff_seconds=60, settle_seconds=60)
    endings = retry([ACCOUNTS, USER_PROFILES], MendedSource(), repairs, rounds=2)

    assert replayed.due == 2
    assert endings == {Ending.APPLIED: 2}
    assert observer.ids() == ["lerato", "thabo"]
    assert list(observer.letters()) == ["naledi"]


def test_a_document_that_is_gone_resolves_its_letter(database, sink, observer, letters):
    """Cosmos says so twice, a settle time apart; its last good rows go, too."""
    replicate(ACCOUNTS, [a_change("a")], sink)
    replicate(ACCOUNTS, [a_change("a", version=a_version(1), body=an_account("a", Email=None))], sink)
    repairs = PostgresRereadStore(database, backoff_seconds=60, settle_seconds=60)

    class Gone:
        def read_document(self, _):
            return Reading(None, TS + 9)

    letters.replay_all(read_body(ReplayRequest, b'{"kind": "mapping"}'))
    assert retry([ACCOUNTS], Gone(), repairs, rounds=2) == {Ending.DOUBTED: 1}
    assert observer.ids() == ["a"]
    for table, column in (
        ("dead_letter", "doubted_at"),
        ("dead_letter", "next_attempt_at"),
        ("document", "applied_at"),
    ):
        observer.connection.execute(f"update cdc.{table} set {column} = {column} - interval '61 seconds'")
    assert retry([ACCOUNTS], Gone(), repairs, rounds=2) == {Ending.DELETED: 1}

    assert (observer.ids(), observer.letters(), observer.states()) == ([], {}, {"a": "deleted"})


def test_a_replay_during_a_vain_try_is_not_lost(database, sink, observer, letters, parked):
    """Whoever mends a mapper replays while a worker with the old one reads the document still."""
    (number,) = numbers(letters.list(query(container="UserProfiles")))
    repairs = PostgresRereadStore(database, backoff_seconds=60, settle_seconds=60)
    asked = []

    class Asked:
        def read_document(self, _):
            if not asked:
                asked.append(letters.replay(str(number)))
            return Reading(a_bad_profile().body | {"_ts": TS, "_etag": a_version().etag}, TS + 9)

    letters.replay(str(number))
    retry([USER_PROFILES], Asked(), repairs, rounds=1)

    due = "select next_attempt_at <= now(), claimed_until from cdc.dead_letter where number = %s"
    assert observer.connection.execute(due, [number]).fetchone() == (True, None)


def test_a_replay_gives_an_exhausted_letter_its_tries_back(letters, observer, parked):
    """It is due at once."""
    observer.connection.execute(
        "update cdc.dead_letter set state = 'exhausted', attempts = 5, next_attempt_at = now() + interval '1 hour'"
    )
    number = numbers(letters.list(query()))[0]

    assert letters.replay(str(number)).due == 1

    found = observer.connection.execute(
        "select state, attempts, next_attempt_at <= now() from cdc.dead_letter where number = %s", [number]
    ).fetchone()
    assert found == ("waiting", 0, True)
    assert len(letters.list(query(state="exhausted")).items) == 2


def test_a_discarded_letter_waits_for_its_document_alone(letters, sink, parked):
    """A replay of many leaves it alone, one by its number does not, and the next version parks it anew."""
    (number,) = numbers(letters.list(query(container="UserProfiles")))

    def states():
        return [item.state for item in letters.list(query(container="UserProfiles")).items]

    assert letters.discard(str(number)).state == "discarded"
    assert letters.discard(str(number)).state == "discarded"
    assert letters.replay_all(read_body(ReplayRequest, b"")).due == 2
    assert states() == ["discarded"]
    assert letters.replay(str(number)).due == 1
    assert states() == ["waiting"]

    letters.discard(str(number))
    replicate(USER_PROFILES, [a_bad_profile(ts=1)], sink)
    assert states() == ["waiting"]


def test_an_undecided_letter_cannot_be_discarded_nor_hurried(letters, sink, observer):
    """It alone knows that PostgreSQL may not have the newest version, and it has to wait for its second to end."""
    replicate(ACCOUNTS, [a_change("a", version=a_version(0, 7))], sink)
    replicate(ACCOUNTS, [a_change("a", version=a_version(0, None, "other"))], sink)
    observer.connection.execute("update cdc.dead_letter set next_attempt_at = now() + interval '1 hour'")
    (number,) = numbers(letters.list(query()))

    with pytest.raises(ConflictError, match="is not in PostgreSQL yet"):
        letters.discard(str(number))

    assert letters.replay(str(number)).due == 1
    assert observer.connection.execute("select next_attempt_at > now() from cdc.dead_letter").fetchone() == (True,)


def test_a_letter_whose_answer_is_doubted_cannot_be_discarded_nor_hurried(letters, observer, parked):
    """The document may be gone: whether it is, only the second answer tells, a settle time after the first."""
    observer.connection.execute(
        "update cdc.dead_letter set doubted_at = now(), next_attempt_at = now() + interval '1h'"
    )
    (number,) = numbers(letters.list(query(container="UserProfiles")))

    with pytest.raises(ConflictError):
        letters.discard(str(number))

    letters.replay(str(number))
    assert observer.connection.execute("select bool_and(next_attempt_at > now()) from cdc.dead_letter").fetchone()[0]


@pytest.mark.parametrize("id_", ["0", "-1", "x", "1.0", "", "9" * 40, "\u0664", "1\0"])
@pytest.mark.parametrize("act", ["replay", "discard", "find"])
def test_a_letter_that_is_not_there_is_unknown(letters, id_, act):
    """Whatever stands in its place in the address."""
    with pytest.raises(UnknownError, match="no such dead letter"):
        getattr(letters, act)(id_)


def test_who_a_letter_is_about_is_told_to_whoever_has_the_database(letters, parked):
    """What the command line shows."""
    (number,) = numbers(letters.list(query(container="UserProfiles")))

    assert letters.find(str(number)).identity == Identity.of("UserProfiles", "naledi", "naledi")


@pytest.mark.parametrize("body", [b'{"kind": "x"}', b'{"containers": 1}', b"[]", b"{", b'{"kind": 1}'])
def test_wrong_replays_are_refused(body):
    """Nothing is replayed by mistake."""
    with pytest.raises(RequestError):
        read_body(ReplayRequest, body)

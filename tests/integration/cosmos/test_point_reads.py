"""One document is read by its identity, whatever its id and its partition key are made of."""

import json

import pytest
from azure.cosmos import CosmosClient, PartitionKey

from cdc.core.documents import Identity, Reading
from cdc.core.errors import FatalError, ReplacedError, TransientError, UnreadableError
from cdc.core.feed_items import partition_key
from cdc.core.source_container import SourceContainer
from cdc.cosmos.account import CosmosAccount
from cdc.postgres.containers import ConfirmedSource
from tests.local.cosmos.test_documents import post

# What a URL path cannot carry as it is, or what a client or a server on the way may change.
ODD_IDS = [
    "trip/2024", "trip/2024/05", "/", "end/", "/end", "..", ".", "...", "end.", "a?b", "a#b", "a\\b", "50%", "a%2Fb",
    " end", "end ", "\u00a0end", "a\tb", "a\x00b", "x\ud800", "\udfffx",
]  # fmt: skip


@pytest.fixture
def things(cosmos):
    """A database, as an application would use it."""
    client = CosmosClient.from_connection_string(cosmos.connection_string)
    yield client.create_database("db")
    client.close()


@pytest.fixture
def account(cosmos):
    """What is under test."""
    account = CosmosAccount(cosmos.connection_string, "db")
    yield account
    account.close()


@pytest.fixture
def create(cosmos, things):
    """Create a document that the SDK might refuse, and return its identity."""

    def create(document, paths=("/pk",)):
        kind = PartitionKey(list(paths), kind="MultiHash") if len(paths) > 1 else PartitionKey(*paths)
        container = things.create_container_if_not_exists("things", kind)
        key = partition_key(paths, document)
        header = json.dumps(key if isinstance(key, list) else [key])
        assert post(cosmos, container, document, **{"x-ms-documentdb-partitionkey": header}).status_code == 201
        return Identity.of("things", key, document["id"])

    return create


def test_an_id_that_no_path_carries_leads_to_its_document(account, create):
    """It is queried for; what its path would name is another document, another resource, or nothing."""
    identities = {id_: create({"id": id_, "pk": "x"}) for id_ in ["end", "trip", "a", "x", *ODD_IDS]}

    for id_, identity in identities.items():
        reading = account.read_document(identity)
        assert reading.body is not None
        assert reading.body["id"] == id_
        assert abs(reading.ts - reading.body["_ts"]) <= 5


def test_such_an_id_is_never_asked_for_by_its_path(account, cosmos, create):
    """Neither a document that is there nor one that is gone."""
    identities = [create({"id": id_, "pk": "x"}) for id_ in ODD_IDS]
    gone = [Identity.of("things", "y", id_) for id_ in ODD_IDS]

    readings = [account.read_document(identity) for identity in identities + gone]

    assert [reading.body is None for reading in readings] == [False] * len(identities) + [True] * len(gone)
    assert dict(cosmos.controls.counters.items()).get("read_document") is None


@pytest.mark.parametrize("id_", ["a", "trip/2024", "x\ud800"])
@pytest.mark.parametrize(
    ("paths", "document"),
    [
        pytest.param(("/pk",), {"pk": "y/ü?#\\%.."}, id="a key of such characters"),
        pytest.param(("/pk",), {"pk": "y\ud800"}, id="a lone surrogate in the key"),
        pytest.param(("/pk",), {"pk": None}, id="null"),
        pytest.param(("/pk",), {}, id="missing"),
        pytest.param(("/pk",), {"pk": 7.5}, id="a number"),
        pytest.param(("/a/b",), {"a": {"b": "deep"}}, id="nested"),
        pytest.param(("/x", "/y", "/z"), {"x": "one", "y": "two/2", "z": 3}, id="hierarchical"),
        pytest.param(("/x", "/y"), {"x": "one"}, id="hierarchical, a part missing"),
        pytest.param(("/x", "/y"), {"x": "one\udc00", "y": None}, id="hierarchical, a lone surrogate"),
    ],
)
def test_every_kind_of_partition_key_goes_with_every_id(account, create, paths, document, id_):
    """Also once the client holds session tokens, and with documents of that id under other keys."""
    for other in ("other", "other\ud800"):
        create({"id": id_, paths[0].split("/")[1]: {"b": other} if paths == ("/a/b",) else other}, paths)
    identity = create({"id": id_, **document}, paths)

    for _ in range(2):
        body = account.read_document(identity).body
        assert body is not None
        assert Identity.of("things", partition_key(paths, body), body["id"]) == identity


@pytest.mark.parametrize(("id_", "other"), [("caf\u00e9", "cafe\u0301"), ("Trip/1", "trip/1"), ("Ab", "ab")])
def test_an_id_that_looks_like_another_is_another(account, create, id_, other):
    """Ids are compared as they are, without case folding or normalisation."""
    create({"id": other, "pk": "x"})
    assert account.read_document(Identity.of("things", "x", id_)).body is None

    assert account.read_document(create({"id": id_, "pk": "x"})).body["id"] == id_


@pytest.fixture
def source(account, database):
    """The same, for the one container that was seen first."""
    return ConfirmedSource(account, database)


@pytest.mark.parametrize("status", [400, 401, 405, 413])
def test_a_refusal_of_one_document_is_not_one_of_the_account(source, create, cosmos, status):
    """The account is asked something else before a refusal is taken for its own."""
    identity, neighbour = create({"id": "a", "pk": "x"}), create({"id": "b", "pk": "x"})
    cosmos.controls.fail(status, times=99, operation="read_document", path="/docs/a/")

    with pytest.raises(UnreadableError, match=str(status)):
        source.read_document(identity)

    assert source.read_document(neighbour).body["id"] == "b"


def test_of_another_container_only_a_look_takes_an_absence_for_one(source, create, things):
    """A read that may lead to a delete asks which container it was, after the answer."""
    identity = create({"id": "a", "pk": "x"})
    source.read_document(identity)
    things.delete_container("things")
    create({"id": "b", "pk": "x"})

    assert source.look_up(identity).body is None
    with pytest.raises(ReplacedError):
        source.read_document(identity)


def test_a_refusal_of_everything_is_one_of_the_account(source, create, cosmos):
    """A wrong key is named, whatever was asked for when it was noticed."""
    identity = create({"id": "a", "pk": "x"})
    source.read_document(identity)
    cosmos.controls.fail(401, times=99)

    with pytest.raises(FatalError, match="correct AccountKey"):
        source.read_document(identity)


def test_a_query_for_one_document_can_be_refused_too(source, create, cosmos):
    """It is the same question, asked in another way."""
    identity = create({"id": "a/b", "pk": "x"})
    cosmos.controls.fail(400, times=99, operation="query_documents")

    with pytest.raises(UnreadableError, match="400"):
        source.read_document(identity)


@pytest.mark.parametrize("status", [429, 503])
def test_what_passes_is_not_a_refusal(source, create, cosmos, status):
    """The document is asked for again later."""
    identity = create({"id": "a", "pk": "x"})
    source.read_document(identity)
    cosmos.controls.fail(status, times=999, operation="read_document")

    with pytest.raises(TransientError):
        source.read_document(identity)


@pytest.mark.parametrize(
    "answer", [{"id": "b", "pk": "x"}, {"id": "a", "pk": "y"}, {"id": "A", "pk": "x"}, {"pk": "x"}]
)
def test_only_the_document_that_was_asked_for_counts(database, answer):
    """An answer with another identity is neither applied nor taken for an absence."""
    container = SourceContainer("things", "account", "AAAAAIAAAAA=", ("/pk",))

    class Account:
        """Answer with another document."""

        def check_account(self):
            """Have nothing against the account."""

        def read_source_container(self, _):
            """Return the container."""
            return container

        def read_document(self, _):
            """Return what was not asked for."""
            return Reading({"_rid": "AAAAAIAAAAABAAAAAAAAAA==", "_ts": 1, "_etag": "e", **answer}, 1)

    with pytest.raises(UnreadableError):
        ConfirmedSource(Account(), database).read_document(Identity.of("things", "x", "a"))

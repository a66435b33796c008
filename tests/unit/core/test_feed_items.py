"""Items of a change feed are read as changes."""

import pytest

from cdc.core.documents import Change, Identity, Version
from cdc.core.errors import FatalError
from cdc.core.feed_items import FeedMode, partition_key, read_change, read_delivered, read_documents, read_version

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


ALL, LATEST = FeedMode.ALL_VERSIONS, FeedMode.LATEST_VERSION
DOCUMENT = {"id": "a", "_ts": 1_700_000_000, "_etag": '"1"', "pk": 7}


def an_item(operation="replace", current=DOCUMENT, **metadata):
    """Build an item of a feed of all versions."""
    return {"current": current, "metadata": {"operationType": operation, "lsn": 9, "crts": 1_700_000_005, **metadata}}


def a_delete(operation="delete", current=None, paths=("/pk",), **metadata):
    """Read one item that tells of a delete."""
    (*changes,) = read_delivered(ALL, "Scores", paths, [an_item(operation, current, **metadata)]).changes
    return changes[0] if changes else None


@pytest.mark.parametrize("operation", ["create", "Replace", 0, 1, "initial"])
def test_an_upsert_of_all_versions_has_the_documents_time_and_the_feeds_lsn(operation):
    """The operation is a word or a number; what carries a document is no delete."""
    page = read_delivered(ALL, "Scores", ("/pk",), [an_item(operation, previousImageLSN=4)])

    version = Version(1_700_000_000, 9, '"1"')
    assert page.changes == [Change(Identity.of("Scores", 7, "a"), version, DOCUMENT, follows=4)]
    assert page.nameless == 0


@pytest.mark.parametrize("operation", ["delete", "DELETE", "Delete", 2])
@pytest.mark.parametrize("current", [None, {}])
def test_a_delete_is_a_change_without_a_body(operation, current):
    """Its version is that of the event: it has no etag."""
    change = a_delete(
        operation, current, id="a", partitionKey={"pk": 7.0}, previousImageLSN="4", timeToLiveExpired=True
    )

    assert change == Change(Identity.of("Scores", 7, "a"), Version(1_700_000_005, 9, ""), None, follows=4)


def test_a_delete_needs_no_key_of_current():
    """Some hosts leave the property out."""
    item = an_item("delete", id="a", partitionKey={"pk": 7})
    del item["current"]

    assert read_delivered(ALL, "Scores", ("/pk",), [item]).changes[0].body is None


@pytest.mark.parametrize(
    ("paths", "told", "expected"),
    [
        pytest.param(("/pk",), {"pk": "x"}, "x", id="by name"),
        pytest.param(("/pk",), {"/pk": None}, None, id="by path"),
        pytest.param(("/pk",), {"pk": True}, True, id="boolean"),
        pytest.param(("/pk",), {}, {}, id="missing in the document"),
        pytest.param(("/a/b",), {"a/b": 1}, 1, id="nested"),
        pytest.param(('/"a"/"b"',), {"/a/b": 1}, 1, id="quoted"),
        pytest.param(("/a/b",), {"b": 1}, 1, id="named otherwise"),
        pytest.param(("/t", "/u"), {"u": 2, "t": "x"}, ["x", 2], id="hierarchical"),
        pytest.param(("/t", "/u"), {"t": "x"}, ["x", {}], id="hierarchical, a level missing"),
        pytest.param(("/t", "/u"), {"level1": "x", "level2": 2}, ["x", 2], id="hierarchical, named otherwise"),
    ],
)
def test_the_key_of_a_deleted_document_keeps_its_json_types(paths, told, expected):
    """All levels come in order, whatever they are called."""
    assert a_delete(paths=paths, id="a", partitionKey=told).identity == Identity.of("Scores", expected, "a")


def test_a_delete_without_a_key_is_known_where_the_id_is_the_key():
    """Older hosts told only the id."""
    assert a_delete(paths=("/id",), id="a").identity == Identity.of("Scores", "a", "a")


@pytest.mark.parametrize("metadata", [{}, {"id": None}, {"id": "", "partitionKey": {"pk": 1}}, {"id": "a"}])
def test_a_delete_that_does_not_say_of_what_blocks_nobody(metadata):
    """It is counted, and its neighbours are read."""
    nameless = an_item("delete", None, **metadata)
    page = read_delivered(ALL, "Scores", ("/pk",), [nameless, an_item()])

    assert page.nameless == 1
    assert [change.version.lsn for change in page.changes] == [9]


def test_an_upsert_without_a_document_is_counted_too():
    """Nobody can say what it was."""
    assert read_delivered(ALL, "Scores", ("/pk",), [an_item("replace", {}), an_item("create", None)]).nameless == 2


@pytest.mark.parametrize("metadata", [{"crts": None}, {"lsn": "x"}])
def test_metadata_without_time_or_with_a_wrong_lsn_is_no_documents_fault(metadata):
    """The sentence names the container and quotes nothing."""
    with pytest.raises(FatalError, match="Scores delivers items whose metadata") as caught:
        a_delete(id="a", partitionKey={"pk": 1}, **metadata)

    assert caught.value.__suppress_context__


@pytest.mark.parametrize("lsn", [1_000_000, "no number", None])
def test_a_documents_own_lsn_means_nothing_beside_the_metadatas(lsn):
    """Anybody may write such a property."""
    [change] = read_delivered(ALL, "Scores", ("/pk",), [an_item("replace", DOCUMENT | {"_lsn": lsn})]).changes

    assert change.version.lsn == 9
    assert read_version(DOCUMENT | {"_lsn": lsn}).lsn is None


def test_the_other_mode_is_refused_in_one_sentence():
    """Either way it is said what to set."""
    with pytest.raises(FatalError, match=r"Cosmos DB extension 4\.16\.1"):
        read_documents(ALL, "Scores", [DOCUMENT])
    with pytest.raises(FatalError, match="set it to all_versions_and_deletes"):
        read_documents(LATEST, "Scores", [an_item()])
    read_documents(ALL, "Scores", [an_item(), an_item("delete", None)])
    read_documents(LATEST, "Scores", [DOCUMENT, DOCUMENT | {"metadata": {"of": "the document's own"}}])


def test_the_documents_of_a_page_tell_their_container():
    """A delete carries none."""
    assert read_documents(ALL, "Scores", [an_item(), an_item("delete", None)]) == [DOCUMENT]
    assert read_documents(LATEST, "Scores", [DOCUMENT]) == [DOCUMENT]

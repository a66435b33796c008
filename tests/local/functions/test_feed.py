"""Check what is asked of the SDK, and what is taken from its answers."""

import base64
import json
from types import SimpleNamespace

import pytest

from local.functions.feed import RangeGoneError, RangeReader
from local.functions.leases import Lease
from local.functions.ranges import PartitionRange

LEASE = Lease({"LeaseToken": "0", "version": 0, "FeedRange": {"Range": {"min": "", "max": "FF"}}})
TRIGGER = SimpleNamespace(max_items=7, start="Now", mode="LatestVersion")
PARTITION, NEW_PARTITION = PartitionRange("0", "", "FF"), PartitionRange("7", "", "FF")
NOTHING_NEW = None


class Container:
    """Answer with documents and a composite token that is written after the hook has run."""

    def __init__(self, documents, *tokens, bodies=None):
        self._documents = documents
        self._tokens = tokens
        self._bodies = bodies or [{"Documents": documents}]
        self.asked = {}

    def query_items_change_feed(self, **options):
        self.asked = options
        return self

    def by_page(self):
        headers = {"etag": '"of the server"'}
        for body in self._bodies:
            self.asked["response_hook"](headers, body)
        state = {"continuation": {"continuation": [{"token": token} for token in self._tokens]}}
        headers["etag"] = base64.b64encode(json.dumps(state).encode()).decode()
        return iter([self._documents] if self._documents else [])


def reader(container, found=PARTITION):
    """Make a reader of a container with one physical partition."""
    ranges = SimpleNamespace(find=lambda *_: [found])
    return RangeReader(container, ranges, TRIGGER, LEASE, rid="rid")


def test_a_page_carries_the_etag_of_its_own_request():
    """Read a page of one document, and that nothing is new."""
    page = reader(Container([{"id": "a"}], '"12"')).read(None)
    nothing = reader(Container([], '"13"', bodies=[NOTHING_NEW])).read('"12"')

    assert (page.documents, page.continuation, page.is_page) == ([{"id": "a"}], '"12"', True)
    assert (nothing.documents, nothing.continuation, nothing.is_page) == ([], '"13"', False)


@pytest.mark.parametrize("bodies", [[{"Documents": []}], [{"Documents": []}, NOTHING_NEW]], ids=["alone", "read on"])
def test_an_empty_page_is_a_page_also_where_the_sdk_read_on(bodies):
    """The SDK reads on by itself after the first page of a start by time."""
    page = reader(Container([], '"13"', bodies=bodies)).read(None)

    assert (page.documents, page.continuation, page.is_page) == ([], '"13"', True)


def test_a_continuation_is_rebuilt_from_range_and_etag():
    """Decode what the SDK is given."""
    container = Container([], '"12"')

    reader(container).read('"11"')

    token = json.loads(base64.b64decode(container.asked["continuation"]))
    assert (token["containerRid"], token["startFrom"]) == ("rid", {"Type": "Beginning"})
    assert [part["token"] for part in token["continuation"]["continuation"]] == ['"11"']
    assert container.asked["max_item_count"] == 7
    assert "start_time" not in container.asked


@pytest.mark.parametrize(
    ("tokens", "found"), [(['"12"', '"11"'], PARTITION), (['"12"'], NEW_PARTITION)], ids=["split", "merge"]
)
def test_a_range_that_was_split_or_merged_yields_no_page(tokens, found):
    """Answer with the tokens of two ranges, or from another partition than the lease is of."""
    with pytest.raises(RangeGoneError):
        reader(Container([{"id": "a"}], *tokens), found).read('"11"')

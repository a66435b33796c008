"""Check what is asked of the SDK, and what is taken from its answers."""

import base64
import json
from types import SimpleNamespace

import pytest
from azure.core.exceptions import AzureError

from local.functions.feed import RangeReader, RangeSplitError
from local.functions.leases import Lease

LEASE = Lease({"FeedRange": {"Range": {"min": "", "max": "FF"}}})
TRIGGER = SimpleNamespace(max_items=7, start="Now", mode="LatestVersion")


class Container:
    """Answer with documents and a composite token that is written after the hook has run."""

    def __init__(self, documents, *tokens):
        self._documents = documents
        self._tokens = tokens
        self.asked = {}

    def query_items_change_feed(self, **options):
        self.asked = options
        return self

    def by_page(self):
        headers = {"etag": '"of the server"'}
        self.asked["response_hook"](headers, {})
        state = {"continuation": {"continuation": [{"token": token} for token in self._tokens]}}
        headers["etag"] = base64.b64encode(json.dumps(state).encode()).decode()
        return iter([self._documents] if self._documents else [])


def test_a_page_carries_the_etag_of_its_own_request():
    """Read a page of one document, and an empty one."""
    page = RangeReader(Container([{"id": "a"}], '"12"'), "rid", TRIGGER, LEASE).read(None)
    empty = RangeReader(Container([], '"13"'), "rid", TRIGGER, LEASE).read('"12"')

    assert (page.documents, page.continuation) == ([{"id": "a"}], '"12"')
    assert (empty.documents, empty.continuation) == ([], '"13"')


def test_a_continuation_is_rebuilt_from_range_and_etag():
    """Decode what the SDK is given."""
    container = Container([], '"12"')

    RangeReader(container, "rid", TRIGGER, LEASE).read('"11"')

    token = json.loads(base64.b64decode(container.asked["continuation"]))
    assert (token["containerRid"], token["startFrom"]) == ("rid", {"Type": "Beginning"})
    assert [part["token"] for part in token["continuation"]["continuation"]] == ['"11"']
    assert container.asked["max_item_count"] == 7
    assert "start_time" not in container.asked


def test_a_range_that_was_split_yields_no_page():
    """Answer with the tokens of two ranges: one etag cannot stand for both."""
    reader = RangeReader(Container([{"id": "a"}], '"12"', '"11"'), "rid", TRIGGER, LEASE)

    with pytest.raises(RangeSplitError):
        reader.read('"11"')


@pytest.mark.parametrize(
    "found", [[], [("", "FF")], [("", "1F")], [("1F", "FF")], [("", "1F"), ("2F", "FF")], [("", "1F"), ("0F", "FF")]]
)
def test_parts_that_do_not_make_up_the_whole_range_are_asked_for_again(found):
    """Leave out what a split must not forget: no lease would follow it."""
    with pytest.raises(AzureError, match="not known yet"):
        reader(found).read_parts()


def test_the_parts_of_a_range_are_those_that_lie_within_it():
    """Split a range that has a neighbour."""
    lease = Lease({"FeedRange": {"Range": {"min": "", "max": "3F"}}})

    assert reader([("1F", "3F"), ("", "1F"), ("3F", "FF")], lease).read_parts() == [("", "1F"), ("1F", "3F")]


def reader(found, lease=LEASE):
    """Make a reader whose container has these physical partitions."""
    ranges = [{"Range": {"min": low, "max": high}} for low, high in found]
    return RangeReader(SimpleNamespace(read_feed_ranges=lambda **_: ranges), "rid", TRIGGER, lease)

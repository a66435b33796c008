"""Pages of a real change feed, past what the SDK gets wrong."""

import gc
from itertools import pairwise

import pytest

from cdc.core.errors import TransientError
from cdc.core.feed_pages import FeedRange
from cdc.cosmos.account import CosmosAccount
from cdc.cosmos.feeds import CosmosFeeds
from local.cosmos import CosmosServer
from local.sample import DATABASE, Source
from tests.builders import an_account

FEED = "read_change_feed"


@pytest.fixture
def cosmos():
    """A Cosmos server with one physical partition, and thirty accounts."""
    with CosmosServer(port=0) as server:
        source = Source.open(server.connection_string, DATABASE)
        for number in range(30):
            source.write("Accounts", an_account(f"account-{number}"))
        source.close()
        yield server


@pytest.fixture
def feed(cosmos):
    """The change feed of the accounts."""
    account = CosmosAccount(cosmos.connection_string, DATABASE)
    feeds = CosmosFeeds(account)
    with feeds.open("Accounts") as feed:
        yield feed
    feeds.close()
    account.close()


def read_all(feed, range_, continuation=None):
    """Read a range to its end and return the ids."""
    ids = []
    while True:
        page = feed.read(range_, continuation, 7)
        ids += [document["id"] for document in page.documents]
        continuation = page.continuation
        if page.ended:
            return ids


def test_a_range_is_read_page_by_page_to_its_end(feed):
    """The end is an answer without documents that is a 304; each page costs something."""
    (range_,) = feed.list_ranges()
    first = feed.read(range_, None, 7)

    assert (len(first.documents), first.ended, first.children) == (7, False, ())
    assert first.request_units > 0
    assert all(isinstance(document["_lsn"], int) for document in first.documents)
    assert len(set(read_all(feed, range_, first.continuation))) == 23
    assert feed.measure().documents == 30


@pytest.mark.parametrize("pages", [0, 2])
def test_a_range_that_has_split_answers_with_its_children_which_go_on_where_it_was(feed, cosmos, pages):
    """Also before its first page: nothing is lost and nothing comes twice."""
    (range_,) = feed.list_ranges()
    continuation, before = None, []
    for _ in range(pages):
        page = feed.read(range_, continuation, 7)
        before += [document["id"] for document in page.documents]
        continuation = page.continuation
    cosmos.controls.split(DATABASE, "Accounts", "0")

    gone = feed.read(range_, continuation, 7)

    assert (gone.documents, gone.ended, gone.continuation) == ((), False, continuation)
    after = [id_ for child in gone.children for id_ in read_all(feed, child, continuation)]
    assert sorted(before + after) == sorted(f"account-{number}" for number in range(30))
    assert len(gone.children) == 2


@pytest.mark.parametrize("pages", [0, 1])
def test_parts_of_a_partition_that_splits_across_them_are_read_once(feed, cosmos, pages):
    """As a merge leaves them: a part goes on in its own parts of the children, and has nothing of its neighbours'."""
    ends = ["", "2", "2A", "FF"]
    waiting = [(FeedRange(low, high), None) for low, high in pairwise(ends)]
    ids = []
    for number, (range_, _) in enumerate(waiting):
        for _ in range(pages):
            page = feed.read(range_, waiting[number][1], 2)
            ids += [document["id"] for document in page.documents]
            waiting[number] = (range_, page.continuation)
    cosmos.controls.split(DATABASE, "Accounts", "0")

    while waiting:
        range_, continuation = waiting.pop()
        page = feed.read(range_, continuation, 7)
        if page.children:
            waiting += [(child, page.continuation) for child in page.children]
        else:
            ids += [document["id"] for document in page.documents]
            waiting += [] if page.ended else [(range_, page.continuation)]

    assert sorted(ids) == sorted(f"account-{number}" for number in range(30))


@pytest.mark.parametrize(("status", "substatus"), [(429, 3200), (410, 1007), (410, 1002), (503, 0), (449, 0)])
def test_a_source_that_keeps_refusing_is_tried_again_later(feed, cosmos, status, substatus):
    """Also where the SDK itself ends in a RecursionError; afterwards the same page can be read."""
    (range_,) = feed.list_ranges()
    cosmos.controls.fail(status, substatus=substatus, times=100_000, operation=FEED)
    with pytest.raises(TransientError):
        feed.read(range_, None, 7)

    cosmos.controls.clear()

    assert len(feed.read(range_, None, 7).documents) == 7


def test_a_throttled_page_costs_few_requests(feed, cosmos):
    """The SDK tries again in two layers: with its own defaults it would ask a hundred times."""
    (range_,) = feed.list_ranges()
    cosmos.controls.throttle(100_000, operation=FEED)
    with pytest.raises(TransientError):
        feed.read(range_, None, 7)

    assert cosmos.controls.counters[FEED].requests <= 20


def test_pages_do_not_pile_up_until_the_garbage_collector_comes(feed):
    """The SDK's pages refer to themselves; its client keeps the last one."""
    (range_,) = feed.list_ranges()
    gc.collect()
    gc.disable()
    try:
        for _ in range(5):
            assert len(feed.read(range_, None, 30).documents) == 30
        left = [each for each in gc.get_objects() if type(each) is dict and "_lsn" in each]
    finally:
        gc.enable()

    assert len(left) <= 30

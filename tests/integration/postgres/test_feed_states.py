"""What is known of a feed tells what must run before it can be relied on."""

from datetime import UTC, datetime

import pytest

from cdc.core.feed_items import FeedMode

ALL, LATEST = FeedMode.ALL_VERSIONS, FeedMode.LATEST_VERSION


def the_feed(feeds):
    """Return what is known of the one feed that was read."""
    (feed,) = [feed for feed in feeds.read() if feed.container == "Accounts"]
    return feed


def test_a_feed_that_was_always_read_for_latest_versions_requires_nothing(feeds):
    """It begins where CHANGE_FEED_START says."""
    feeds.note_mode("Accounts", LATEST)

    feed = the_feed(feeds)
    assert (feed.mode, feed.backfill_since, feed.complete_reconcile_since) == (LATEST, None, None)


@pytest.mark.parametrize("modes", [[ALL], [LATEST, ALL], [ALL, LATEST]])
def test_a_feed_that_begins_anew_requires_a_backfill_and_a_reconcile(feeds, modes):
    """It begins now: nobody has told what was before, or between the two modes."""
    before = datetime.now(UTC)
    for mode in modes:
        feeds.note_mode("Accounts", mode)
    since = the_feed(feeds).backfill_since

    assert before <= since <= datetime.now(UTC)
    assert the_feed(feeds).complete_reconcile_since == since
    feeds.note_mode("Accounts", modes[-1])
    assert the_feed(feeds).backfill_since == since


@pytest.mark.parametrize(("modes", "begins_with_leases"), [([ALL], True), ([LATEST, ALL], False)])
def test_the_first_feed_of_all_versions_began_with_its_leases(feeds, connection, modes, begins_with_leases):
    """A backfill may begin once they are there, before the first batch comes: it counts."""
    written = datetime(2026, 1, 1, tzinfo=UTC)
    connection.execute("update cdc.container set leases_written_at = %s", [written])

    for mode in modes:
        feeds.note_mode("Accounts", mode)

    assert (the_feed(feeds).backfill_since == written) is begins_with_leases

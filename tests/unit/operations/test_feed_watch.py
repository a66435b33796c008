"""Whether a host renews the leases of a feed is known of each container on its own."""

from contextlib import closing
from types import SimpleNamespace

from cdc.core.errors import ReplacedError
from cdc.operations.feed_watch import FeedWatch
from cdc.operations.lag import Lag


def confirm(container):
    """Refuse one container, as if somebody had made it again."""
    if container == "Replaced":
        raise ReplacedError("adopt it")
    return container


def a_watch(*containers):
    """Watch feeds whose leases were renewed 100 seconds ago, but those of `Renewed`."""
    leases = SimpleNamespace(
        read_renewals=lambda origin: [1_000] if origin == "Renewed" else [900, 1_000],
        reader=SimpleNamespace(read_time=confirm_time),
    )
    leases.read_once = lambda: leases
    lags = dict.fromkeys(containers, Lag(0.0, 0))
    reader = SimpleNamespace(source=SimpleNamespace(confirm=confirm), leases=leases, read=lambda *_: lags)
    return FeedWatch(reader, containers, 99.0)


def confirm_time(container):
    """Tell the time, also by a container that is not the first."""
    confirm(container)
    return 1_000


def test_a_container_that_is_refused_hides_no_dead_host_of_another():
    """It comes first, and has a problem of its own."""
    with closing(a_watch("Replaced", "Unrenewed", "Renewed")) as watch:
        found = watch.read(60.0)

    assert {name for name, feed in found.items() if feed.unrenewed_since is not None} == {"Unrenewed"}

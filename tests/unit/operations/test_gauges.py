"""An app that has nothing to tell yet is told from one that does not run."""

import re
from types import SimpleNamespace

from cdc.operations.gauges import Gauges
from cdc.telemetry import instruments
from cdc.telemetry.alerts import ALERTS


def test_a_new_app_is_not_silent():
    """Nothing was ever written or applied, and the alert of an app that does not run has its points."""
    (alert,) = [each for each in ALERTS if each.name == "no telemetry"]
    metric = re.search(r'name == "([^"]+)"', alert.query)[1]
    counts = SimpleNamespace(count_letters=list)
    samples = SimpleNamespace(read_newest=dict, read_applied=dict, counts=counts)

    Gauges(["Accounts"], samples, wanted=True).read()

    gauges = [instruments.feed_lag, instruments.feed_backlog, instruments.feed_silence, instruments.dead_letters]
    names = ["cdc.feed.lag", "cdc.feed.backlog", "cdc.feed.silence", "cdc.dead_letters"]
    (shown,) = [list(gauge._observe(None)) for gauge, name in zip(gauges, names, strict=True) if name == metric]
    assert shown

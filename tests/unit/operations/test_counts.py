"""A count that takes long is not made anew for everybody who asks."""

from dataclasses import replace

import pytest

from cdc.operations.counts import DocumentCount, RememberedCounts


@pytest.mark.parametrize("count", ["count_documents", "count_unmapped"])
@pytest.mark.parametrize(("seconds", "counted"), [(0.1, [1, 2, 3, 4]), (2.0, [1, 1, 1, 2])])
def test_a_count_that_took_long_is_remembered_for_twenty_times_as_long(seconds, counted, count):
    """What is counted fast is counted for every request."""
    now, seen = 0.0, []

    class Slow:
        def count_documents(self):
            nonlocal now
            now += seconds
            seen.append(now)
            return [DocumentCount("Accounts", "applied", len(seen), 70)]

        def count_unmapped(self):
            return [replace(*self.count_documents(), state="unmapped")]

    counts = RememberedCounts(Slow(), Slow(), clock=lambda: now)
    answers = []
    for moment in (0, 10, 39, 40):
        now = max(now, moment)
        answers.append(getattr(counts, count)()[0].documents)

    assert answers == counted

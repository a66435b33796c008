"""Check how long the host waits between two attempts."""

import pytest

from local.functions import retry


def policy(strategy, count, **intervals):
    """Read a policy as the decorator declares it."""
    return retry.from_decorator({"strategy": strategy, "max_retry_count": count, **intervals})


def test_a_fixed_delay_is_always_the_same():
    """Compare the delays of many attempts."""
    fixed = policy("fixed_delay", "3", delay_interval="00:00:07")

    assert {fixed.delay(count) for count in range(5)} == {7}


def test_an_exponential_delay_is_random_and_stays_between_minimum_and_maximum():
    """Draw many delays, also after so many retries that the power would overflow."""
    growing = policy("exponential_backoff", "-1", minimum_interval="00:00:01", maximum_interval="00:01:00")

    delays = [growing.delay(count) for count in (0, 1, 2, 50, 5000) for _ in range(20)]

    assert 1 <= min(delays) <= 2.2
    assert max(delays) == 60
    assert len(set(delays[:20])) > 1


@pytest.mark.parametrize(("count", "spent_after"), [("0", 0), ("2", 2), ("-1", None)])
def test_a_policy_is_spent_after_its_retries_and_never_when_it_has_no_limit(count, spent_after):
    """Count retries up to a thousand."""
    limited = policy("fixed_delay", count, delay_interval="00:00:00")

    assert next((done for done in range(1000) if limited.is_spent(done)), None) == spent_after

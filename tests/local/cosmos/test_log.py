"""The log keeps numbered items in order."""

from hypothesis import given
from hypothesis import strategies as st

from local.cosmos.log import Log


@given(st.lists(st.booleans(), max_size=1500), st.integers(0, 1500))
def test_log_holds_what_was_not_removed(kept: list[bool], after: int) -> None:
    """Whatever is removed, the rest is found in order after any number."""
    log: Log[int] = Log()
    for number in range(1, len(kept) + 1):
        log.append(number, number)

    for number, keep in enumerate(kept, 1):
        if not keep:
            log.remove(number)

    expected = [number for number, keep in enumerate(kept, 1) if keep]
    assert len(log) == len(expected)
    assert list(log.after(after)) == [number for number in expected if number > after]


def test_items_are_found_after_the_gaps_were_closed() -> None:
    """Replacing and removing still work once most items are gone."""
    log: Log[str] = Log()
    for number in range(1000):
        log.append(number, f"item {number}")
    for number in range(900):
        log.remove(number)

    log.replace(950, "replaced")
    log.remove(901)

    assert next(log.after(949)) == "replaced"
    assert len(log) == 99

"""Windows cover every second once, turns take every window, and only what settled is drift."""

from hypothesis import given
from hypothesis import strategies as st

from cdc.core.documents import Held, Identity, State, Version
from cdc.reconcile import drift
from cdc.reconcile.drift import Kind, Limits, Tally, Window

HIGH = 1_000
SECONDS = st.integers(-5, HIGH + 5)
HISTORIES = st.lists(st.integers(0, HIGH - 1), min_size=1, max_size=200)
A = Identity.of("Accounts", "a", "a")
VERSIONS = st.builds(Version, st.integers(0, 200), st.none(), st.sampled_from("xyz"))
HELD = st.none() | st.builds(Held, VERSIONS, st.sampled_from(State))


def seconds_of(windows):
    """Return how often each second from -5 on is in a window."""
    return [sum(w.low is None or w.low <= ts for w in windows if ts < w.high) for ts in range(-5, HIGH)]


def quantiles(history, fractions):
    """Answer as the ledger does."""
    ordered = sorted(history)
    return [ordered[max(0, -(-int(fraction * len(ordered) * 1_000_000) // 1_000_000) - 1)] for fraction in fractions]


@given(st.lists(SECONDS))
def test_windows_cover_every_second_once(edges):
    """Whatever the edges are, nothing is left out or counted twice; the first window is open below."""
    windows = drift.cut(edges, HIGH)

    assert set(seconds_of(windows)) == {1}
    assert (windows[0].low, windows[-1].high) == (None, HIGH)


@given(st.lists(SECONDS), SECONDS)
def test_a_round_from_anywhere_covers_every_second_once(edges, start):
    """The window around the start is split there: its beginning comes last."""
    windows = drift.begin_at(drift.cut(edges, HIGH), start)

    assert set(seconds_of(windows)) == {1}
    assert windows[0].low == start or start not in range(HIGH)


@given(HISTORIES, st.integers(1, 20))
def test_every_key_is_compared_within_the_promised_runs(history, at_once):
    """The turns of so many runs, each from where the last one ended, take every document."""
    compared, next_ts = set(), None
    for _ in range(drift.ROTATION_RUNS):
        fractions = drift.key_fractions(len(history), at_once)
        for window in drift.take_turn(drift.cut(quantiles(history, fractions), HIGH), next_ts):
            compared |= {ts for ts in history if (window.low is None or window.low <= ts) and ts < window.high}
            next_ts = None if window.high == HIGH else window.high

    assert compared == set(history)


@given(HISTORIES, st.floats(0, 1, exclude_max=True))
def test_counted_windows_are_about_equal(history, shift):
    """No window has much more than its share, unless one second has."""
    documents = [ts for ts in history for _ in range(1_000)]
    fractions = drift.count_fractions(len(documents), shift)
    windows = drift.cut(quantiles(documents, fractions), HIGH)

    share = len(documents) / max(1, len(fractions))
    for window in windows:
        inside = [ts for ts in documents if (window.low is None or window.low <= ts) and ts < window.high]
        assert len(inside) <= share + max(map(documents.count, set(inside)), default=0)


@given(st.none() | st.integers(0, 50), st.integers(51, HIGH), st.none() | st.integers(0, HIGH - 1))
def test_halves_are_the_window(low, high, median):
    """Both have at least a second, and together they are what was halved."""
    if median is not None and not (median < high and (low is None or median >= low)):
        median = None
    halves = drift.halve(Window(low, high), median)

    if halves is not None:
        left, right = halves
        assert (left.low, left.high, right.high) == (low, right.low, high)
        assert right.low < high
        assert low is None or low < right.low


@given(HISTORIES)
def test_narrowing_ends(history):
    """A window is halved until it has one second, or the ledger has nothing to halve it by."""
    windows, steps = [Window(None, HIGH)], 0
    while windows:
        window = windows.pop()
        inside = sorted(ts for ts in history if (window.low is None or window.low <= ts) and ts < window.high)
        median = inside[(len(inside) - 1) // 2] if inside else None
        windows += drift.halve(window, median) or () if len(inside) > 1 else ()
        steps += 1
        assert steps < 10_000


def test_one_second_cannot_be_halved():
    """All of it is compared by keys, however many documents it has."""
    assert drift.halve(Window(5, 6), 5) is None
    assert drift.halve(Window(5, 6), None) is None


def test_what_the_ledger_has_nothing_of_is_halved_by_time():
    """A source that the ledger knows nothing of is narrowed down all the same, from the beginning of time on."""
    assert drift.halve(Window(None, 6), None) == (Window(None, 3), Window(3, 6))
    assert drift.halve(Window(None, 1), None) is None


@given(st.dictionaries(st.integers(0, 9), VERSIONS), st.dictionaries(st.integers(0, 9), VERSIONS))
def test_differences_are_what_only_one_side_has_or_has_otherwise(source, ledger):
    """Each is named once."""
    held = {Identity.of("c", 0, str(id_)): Held(version, State.APPLIED) for id_, version in ledger.items()}
    found = {Identity.of("c", 0, str(id_)): version for id_, version in source.items()}

    differing = drift.find_differences(found, held)

    assert len(differing) == len(set(differing))
    for identity in found.keys() | held.keys():
        same = identity in found and identity in held and found[identity].etag == held[identity].version.etag
        assert same != (identity in differing)


@given(HELD, st.none() | VERSIONS)
def test_kinds(held, found):
    """A tombstone counts as nothing, the etag alone tells versions apart."""
    live = held is not None and held.state is not State.DELETED
    expected = {
        (False, False): None,
        (False, True): Kind.MISSING,
        (True, False): Kind.ORPHANED,
        (True, True): Kind.STALE if live and found and held.version.etag != found.etag else None,
    }

    assert drift.classify(held, found) is expected[live, found is not None]


@given(HELD, st.none() | VERSIONS, HELD, st.none() | VERSIONS)
def test_only_what_stays_is_drift(held, found, held_later, found_later):
    """A suspect whose ledger has moved, or whose sides agree by now, is none; the young are never suspected."""
    suspect = drift.suspect(A, held, found, line=100)

    if suspect is None:
        assert drift.classify(held, found) is None or (found is not None and found.ts >= 100)
    else:
        confirmed = drift.confirm(suspect, held_later, found_later)
        assert confirmed is (drift.classify(held, found_later) if held_later == held else None)


def test_limits():
    """Twenty documents are always few; beyond, one in a hundred may be deleted and one in ten brought."""
    assert Limits.of(10) == Limits(20, 20)
    assert Limits.of(200_000) == Limits(2_000, 20_000)
    assert Limits.of(10).allow(Kind.ORPHANED, 20)
    assert not Limits.of(10).allow(Kind.ORPHANED, 21)
    assert Limits.of(10).allow(Kind.STALE, 1_000)


def test_tallies_add_up():
    """What one half has not, the other has."""
    whole, left = Tally(5, 50), Tally(2, 15)

    assert (whole - left) + left == whole

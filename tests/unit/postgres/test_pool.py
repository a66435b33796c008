"""The pool shares out its sessions, in turn, and trusts no dead one."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest

from cdc.core.errors import FatalError, TransientError
from cdc.postgres.pool import Borrower, BusyError, Pool, RefusedError, Use

FEED, BACKGROUND, OPERATORS = map(Borrower, Use)
ACCOUNTS, PROFILES = (Borrower(Use.FEED, name) for name in ("Accounts", "UserProfiles"))


class FakeSession:
    """A session that is dead when a test says so."""

    def __init__(self):
        self.opened_at = time.monotonic()
        self.alive = self.is_idle = True

    def answers(self, _seconds):
        return self.alive

    def close(self):
        self.alive = self.is_idle = False


class Server:
    """Opens sessions and remembers them; raises what stands in `errors` first."""

    def __init__(self):
        self.sessions, self.errors = [], []

    def connect(self, _seconds):
        if self.errors:
            raise self.errors.pop(0)
        self.sessions.append(FakeSession())
        return self.sessions[-1]


@pytest.fixture
def server():
    """A server without sessions."""
    return Server()


def soon():
    """Return a deadline that nobody can meet who has to wait."""
    return time.monotonic() + 0.05


def later():
    """Return a deadline that only guards a test."""
    return time.monotonic() + 300


def count_lent(pool, borrower):
    """Borrow until the pool refuses, and return how often it lent."""
    with ExitStack() as lent:
        for number in range(200):
            try:
                lent.enter_context(pool.lend(borrower, soon()))
            except BusyError:
                return number
    raise AssertionError


@pytest.mark.parametrize(
    ("size", "shares"), [(1, (1, 1, 1)), (3, (1, 1, 1)), (4, (2, 1, 1)), (8, (3, 3, 2)), (100, (34, 33, 33))]
)
def test_every_use_has_its_share(server, size, shares):
    """The shares of a pool of at least three are the whole pool."""
    pool = Pool(server.connect, size)

    assert tuple(count_lent(pool, each) for each in (FEED, BACKGROUND, OPERATORS)) == shares
    assert len(server.sessions) == max(shares)


def test_no_use_takes_the_share_of_another(server):
    """With two shares lent out, the third is untouched."""
    pool = Pool(server.connect, 8)

    with ExitStack() as lent:
        for borrower in (FEED,) * 3 + (BACKGROUND,) * 3:
            lent.enter_context(pool.lend(borrower, soon()))
        assert count_lent(pool, FEED) == count_lent(pool, BACKGROUND) == 0
        assert count_lent(pool, OPERATORS) == 2


def test_the_whole_is_bounded(server):
    """A pool of one has one session for all uses."""
    pool = Pool(server.connect, 1)

    with (
        pool.lend(FEED, soon()),
        pytest.raises(BusyError, match="for operators are busy"),
        pool.lend(OPERATORS, soon()),
    ):
        pass


def test_one_container_leaves_a_session_of_its_share(server):
    """Its tables may be locked: another container goes on."""
    pool = Pool(server.connect, 8)

    with ExitStack() as lent:
        for _ in range(2):
            lent.enter_context(pool.lend(ACCOUNTS, soon()))
        with pytest.raises(BusyError, match="for feed of Accounts are busy"), pool.lend(ACCOUNTS, soon()):
            pass
        assert count_lent(pool, PROFILES) == 1


def test_the_first_in_the_queue_is_served_first(server):
    """Who returns a session and asks again does not overtake those who wait."""
    pool, served, asked = Pool(server.connect, 3), [], threading.Semaphore(0)

    def borrow(name):
        asked.release()
        with pool.lend(FEED, later()):
            served.append(name)

    with ThreadPoolExecutor(5) as threads, pool.lend(FEED, soon()):
        for number in range(1, 6):
            threads.submit(borrow, number)
            asked.acquire()
            while len(pool._waiting) < number:
                time.sleep(0.001)
    assert served == [1, 2, 3, 4, 5]


def test_who_waits_in_vain_leaves_the_queue(server):
    """Otherwise nobody behind would ever be served."""
    pool = Pool(server.connect, 3)

    with pool.lend(FEED, soon()):
        for _ in range(2):
            with pytest.raises(BusyError), pool.lend(FEED, soon()):
                pass
    assert count_lent(pool, FEED) == 1


def test_dead_sessions_are_replaced_at_once(server):
    """One that is dead makes all idle ones suspect: they are closed without being asked."""
    pool = Pool(server.connect, 60)
    count_lent(pool, FEED)
    old = list(server.sessions)
    for session in old[:1] + old[-1:]:
        session.alive = False

    with pool.lend(FEED, soon()) as session:
        assert session not in old
    assert not any(each.alive for each in old)
    assert len(server.sessions) == len(old) + 1


def test_a_session_that_comes_back_broken_is_closed(server):
    """A transaction that was left open, or an answer that did not come."""
    pool = Pool(server.connect, 3)
    with pool.lend(FEED, soon()) as broken:
        broken.is_idle = False
    with pool.lend(FEED, soon()) as session:
        assert session is not broken
    assert not broken.alive


def test_a_server_that_is_away_is_asked_until_the_deadline(server, monkeypatch):
    """The pauses do not grow, so the pool is back as soon as the server."""
    monkeypatch.setattr("cdc.postgres.pool._PAUSE_SECONDS", 0.001)
    server.errors = [TransientError("away")] * 20
    pool = Pool(server.connect, 3)

    with pool.lend(FEED, later()) as session:
        session.is_idle = False
    server.errors = [TransientError("away")] * 1_000_000
    with pytest.raises(TransientError, match="away"), pool.lend(BACKGROUND, soon()):
        pass
    server.errors = []
    assert count_lent(pool, BACKGROUND) == 1


@pytest.mark.parametrize("error", [RefusedError("wrong password"), FatalError("wrong encoding")])
def test_a_refusal_is_not_asked_again(server, error):
    """More wrong logins can lock the user out."""
    server.errors = [error] * 2
    pool = Pool(server.connect, 3)

    with pytest.raises(type(error)), pool.lend(FEED, later()):
        pass
    assert len(server.errors) == 1


def test_old_sessions_are_closed(server, monkeypatch):
    """Sessions that nobody has needed for a while, and those of an hour ago."""
    pool = Pool(server.connect, 9)
    count_lent(pool, FEED)
    monkeypatch.setattr("cdc.postgres.pool._LONGEST_IDLE_SECONDS", 0)
    with pool.lend(FEED, soon()) as kept:
        pass
    assert [each for each in server.sessions if each.alive] == [kept]

    kept.opened_at -= 4_000
    with pool.lend(FEED, soon()) as same:
        assert same is kept
    assert not kept.alive


def test_a_closed_pool_lends_nothing(server):
    """Idle sessions are closed at once, lent ones when they return."""
    pool = Pool(server.connect, 3)
    count_lent(pool, FEED)
    with pool.lend(FEED, soon()) as lent:
        pool.close()
        assert lent.alive
    assert not any(each.alive for each in server.sessions)
    with pytest.raises(TransientError, match="stopping"), pool.lend(FEED, soon()):
        pass

"""One timer for everything: each part has its own time, and no part keeps another waiting or hides its failure."""

import asyncio
import logging
import threading
from contextlib import contextmanager

import pytest

from cdc.core.errors import FatalError, TransientError
from cdc.operations import maintain
from cdc.operations.maintain import Maintain, Part
from cdc.postgres.database import Database

CLIENT = object()


@pytest.fixture(autouse=True)
def _patient(monkeypatch):
    """The timer waits for every part, however slow the machine is."""
    monkeypatch.setattr(maintain, "_PATIENCE_SECONDS", 600.0)


@pytest.fixture
def impatient(_patient, monkeypatch):
    """The timer waits only a moment for a part."""
    monkeypatch.setattr(maintain, "_PATIENCE_SECONDS", 0.01)


@pytest.fixture
def start(database):
    """Make the timer of an instance that does these parts."""
    started = []

    def make(*parts, on=database):
        started.append(Maintain(parts, on))
        return started[-1]

    yield make
    for each in started:
        each.close()


def run(*timers):
    """Run one timer after the other in one event loop, as a worker does."""

    async def run_all():
        for timer in timers:
            await timer.run(CLIENT)

    asyncio.run(run_all())


async def run_for_ever(timer):
    """Run the timer until it fails."""
    while True:
        await timer.run(CLIENT)


def a_counted(done, name="counted", **how):
    """Make a part that notes each time that it is done."""
    return Part(name, lambda: done.append(name), **how)


def pass_time(connection, seconds):
    """Let all parts be that much older."""
    connection.execute(
        "update cdc.maintenance set done_at = done_at - make_interval(secs => %(s)s),"
        " claimed_until = claimed_until - make_interval(secs => %(s)s)",
        {"s": seconds},
    )


def test_every_run_does_every_part_and_passes_results_on(start):
    """`then` runs on the loop, with the client of the timer."""
    given = []

    async def take(client, result):
        given.append((client, result))

    timer = start(Part("gives", lambda: [1, 2], then=take), a_counted(given))
    run(timer, timer)

    assert given.count((CLIENT, [1, 2])) == 2
    assert given.count("counted") == 2


@pytest.mark.parametrize("error", [TransientError("Away."), FatalError("Wrong."), KeyError("thandi@example.com")])
def test_a_part_that_fails_stops_no_other_and_is_named(start, caplog, error):
    """The timer fails at its end; a text that is not ours is not shown, it may quote a document."""
    done = []

    def fail():
        raise error

    timer = start(Part("first", fail), a_counted(done), Part("last", fail))

    with caplog.at_level(logging.ERROR), pytest.raises((TransientError, FatalError)) as caught:
        run(timer)

    assert done == ["counted"]
    assert isinstance(caught.value, TransientError) == isinstance(error, TransientError)
    for text in (str(caught.value), caplog.text):
        assert "first" in text
        assert "last" in text
        assert "counted" not in text
        assert "thandi" not in text
    assert type(error).__name__ in caplog.text or str(error) in caplog.text


def test_a_failure_of_then_is_a_failure_of_its_part(start):
    """An orchestration that the host does not start."""
    done = []

    async def refuse(client, result):
        raise Exception("No.")  # noqa: TRY002 - as the SDK does

    with pytest.raises(FatalError, match=r"refused: Exception\."):
        run(start(Part("refused", list, then=refuse), a_counted(done)))

    assert done == ["counted"]


@contextmanager
def held():
    """Make work that hangs until the block ends, and tell how often it was begun."""
    let_go, begun = threading.Event(), []

    def hang():
        begun.append(1)
        let_go.wait()

    try:
        yield hang, begun
    finally:
        let_go.set()


@pytest.mark.usefixtures("impatient")
def test_a_part_that_hangs_keeps_no_other_waiting_and_is_seen(start):
    """It is not begun twice; when its budget is over, each run fails and says why, and the others go on."""
    done = []
    with held() as (hang, begun):
        timer = start(Part("hangs", hang, budget=0.0), Part("slow", hang, budget=600), a_counted(done))

        async def run_a_while():
            while len(done) < 3:
                with pytest.raises(TransientError, match=r"hangs: It has run for \d+ seconds") as caught:
                    await timer.run(CLIENT)
                assert "slow" not in str(caught.value)

        asyncio.run(run_a_while())

        assert len(begun) == 2


@pytest.mark.usefixtures("impatient")
def test_a_slow_failure_is_told_by_a_later_run(start):
    """Nobody waited for it any more."""
    let_go = threading.Event()

    def fail_late():
        let_go.wait()
        raise FatalError("Too late.")

    timer = start(Part("late", fail_late))

    async def run_until_told():
        await timer.run(CLIENT)
        let_go.set()
        with pytest.raises(FatalError, match=r"late: Too late\."):
            await run_for_ever(timer)

    asyncio.run(run_until_told())


def test_a_part_with_an_interval_is_done_once_by_all_instances(start, connection, app_dsn):
    """For the first time an interval after the first start, however often an instance starts anew."""
    done = []
    other = Database(app_dsn)
    daily = a_counted(done, "daily", every=86_400)
    timers = start(daily), start(daily, on=other)

    run(*timers, *timers)
    assert done == []
    pass_time(connection, 86_401)
    run(*timers, start(daily), *timers)
    assert done == ["daily"]
    pass_time(connection, 86_401)
    run(*timers)
    assert done == ["daily"] * 2
    other.close()


def test_a_part_that_an_instance_does_is_not_begun_by_another(start, connection, app_dsn, monkeypatch):
    """A deployment may let two instances run the timer for a while."""
    other = Database(app_dsn)
    with held() as (hang, begun):
        daily = Part("daily", hang, every=60)
        first, second = start(daily), start(daily, on=other)

        async def run_both():
            await first.run(CLIENT)
            pass_time(connection, 61)
            monkeypatch.setattr(maintain, "_PATIENCE_SECONDS", 0.01)
            while not begun:
                await first.run(CLIENT)
            monkeypatch.setattr(maintain, "_PATIENCE_SECONDS", 600.0)
            await second.run(CLIENT)

        asyncio.run(run_both())
        assert len(begun) == 1
    other.close()


def test_a_part_that_failed_is_due_again_soon(start, connection):
    """When its claim is over: neither at once, nor only after its whole interval; a death looks the same."""
    tries = []

    def fail():
        tries.append(1)
        raise TransientError("Away.")

    timer = start(Part("daily", fail, every=86_400, budget=100))
    run(timer)
    pass_time(connection, 86_401)

    with pytest.raises(TransientError, match=r"daily: Away\."):
        run(timer)
    run(timer)
    assert len(tries) == 1
    pass_time(connection, 101)
    with pytest.raises(TransientError):
        run(timer)
    assert len(tries) == 2


def test_a_shorter_interval_counts_at_once(start, connection):
    """When it was done last is kept, not when it is due."""
    done = []
    run(start(a_counted(done, every=86_400)))
    pass_time(connection, 60)

    run(start(a_counted(done, every=50)))

    assert done == ["counted"]


def test_without_postgresql_each_part_says_so(start, monkeypatch):
    """Those that need no look at their time go on."""
    done = []
    away = Database("postgresql://app@127.0.0.1:9/app")
    monkeypatch.setattr("cdc.postgres.database._POOL_TIMEOUT_SECONDS", 0.1)
    timer = start(a_counted(done), a_counted(done, "daily", every=1), on=away)

    with pytest.raises(TransientError, match=r"^daily: PostgreSQL cannot be reached"):
        asyncio.run(run_for_ever(timer))

    assert set(done) == {"counted"}
    away.close()

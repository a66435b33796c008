"""Check that timers fire, one at a time, and are retried."""

SOURCE = """
@app.timer_trigger(arg_name="timer", schedule="%WHEN%")
def tick(timer: func.TimerRequest) -> None:
    note(past_due=timer.past_due, schedule=timer.schedule, status=timer.schedule_status)
"""
STARTUP = """
@app.timer_trigger(arg_name="timer", schedule="0 0 0 1 1 *", run_on_startup=True)
@app.retry(strategy="fixed_delay", max_retry_count="2", delay_interval="00:00:00")
def tick(timer: func.TimerRequest, context: func.Context) -> None:
    note(count=context.retry_context.retry_count, limit=context.retry_context.max_retry_count)
    if context.retry_context.retry_count < 2:
        raise ValueError("again")
"""


def test_a_timer_fires_on_its_schedule_with_the_payload_of_the_real_host(app, start, eventually):
    """Wait for two firings of a timer that fires every second."""
    host = start(app.write(SOURCE), WHEN="* * * * * *").wait_ready()

    first, second = eventually(lambda: app.notes()[:2] if len(app.notes()) > 1 else None)

    assert (first["past_due"], first["schedule"]) == (False, {"AdjustForDST": True})
    assert second["status"]["Last"] == second["status"]["LastUpdated"] != first["status"]["Last"]
    assert first["status"]["Next"] > second["status"]["Last"] > first["status"]["Last"]
    assert host.stop() == 0


def test_a_timer_that_runs_on_startup_fires_at_once_and_is_retried_by_its_policy(app, start, eventually):
    """Fail twice and succeed."""
    host = start(app.write(STARTUP)).wait_ready()

    eventually(lambda: len(app.notes()) == 3)

    assert app.notes() == [{"count": count, "limit": 2} for count in range(3)]
    assert host.stop() == 0
    assert host.errors.count("ValueError: again") == 2


def test_of_two_hosts_only_one_runs_a_timer_and_the_other_takes_over_when_it_ends(app, start, eventually):
    """Note who fires, kill the one, and wait for the other."""
    app.write(SOURCE.replace("note(", "note(pid=os.getpid(), "))
    first = start(app, WHEN="* * * * * *").wait_ready()
    eventually(app.notes)
    second = start(app, WHEN="* * * * * *").wait_ready()
    count = len(app.notes())
    eventually(lambda: len(app.notes()) >= count + 2)
    assert {note["pid"] for note in app.notes()} == {first.process.pid}
    told = "warning tick: another host of this app runs the timer: this one waits"
    eventually(lambda: told in second.errors)

    first.kill()

    eventually(lambda: app.notes()[-1]["pid"] == second.process.pid)
    assert second.errors.count(told) == 1


def test_a_host_leaves_nothing_outside_its_state(app, start, eventually):
    """Give it a folder for temporary files of its own."""
    temporary = app.root / "temporary"
    temporary.mkdir()
    host = start(app.write(SOURCE), WHEN="* * * * * *", TMPDIR=str(temporary)).wait_ready()
    eventually(app.notes)

    assert host.stop() == 0

    assert list(temporary.iterdir()) == []
    assert [found.name for found in app.root.joinpath("state").iterdir()] == ["timer-tick.lock"]


def test_a_state_that_cannot_be_kept_ends_the_host_with_one_text(app, start):
    """Name a file in place of a folder."""
    host = start(app.write(SOURCE), "--state", str(app.root / "host.json"), WHEN="* * * * * *")

    assert host.wait() == 1
    assert host.errors == f"functions: locks cannot be kept in {app.root / 'host.json'}: File exists\n"

"""Check that an invocation that takes longer than functionTimeout ends the worker and all that runs in it."""

import threading

import pytest

from tests.local.functions.conftest import HOST_JSON
from tests.local.functions.test_http import ask

TRIGGER = """
@app.cosmos_db_trigger(arg_name="documents", connection="COSMOS", database_name="db", container_name="things",
                       lease_container_name="leases", feed_poll_delay=50, start_from_beginning=True)
"""
RETRY = '@app.retry(strategy="fixed_delay", max_retry_count="-1", delay_interval="00:00:00")'
FEED = """
def feed(documents: func.DocumentList, context: func.Context) -> None:
    note(ids=[document["id"] for document in documents], count=context.retry_context.retry_count)
    while not pathlib.Path("mended").exists():
        time.sleep(0.01)
    note(done=True)
"""
OTHERS = """
@app.route(route="slow", auth_level="ANONYMOUS")
def slow(req: func.HttpRequest) -> str:
    note(slow=True)
    while not pathlib.Path("mended").exists():
        time.sleep(0.01)
    return "done"

@app.route(route="slow_too", auth_level="ANONYMOUS")
async def slow_too(req: func.HttpRequest) -> str:
    import asyncio
    await asyncio.sleep(600)
"""


@pytest.fixture
def run(app, source, start):
    """Give a way to start a host whose functions may take a second."""

    def run(text):
        app.write(text, host_json={**HOST_JSON, "functionTimeout": "00:00:01"})
        return start(app, COSMOS=source.server.connection_string).wait_ready()

    return run


def test_a_batch_that_takes_too_long_is_lost_without_a_retry_policy(app, run, source, eventually):
    """Let the function take for ever, and see that the batch is checkpointed and its code ended."""
    host = run(TRIGGER + FEED)
    source.write("one")
    eventually(source.checkpointed)

    assert "encountered an unhandled user exception" in host.errors
    assert "FunctionTimeoutError: the invocation ran for longer than functionTimeout, 1 s" in host.errors
    app.root.joinpath("mended").touch()
    source.write("two")
    eventually(lambda: {"done": True} in app.notes())
    assert [note["ids"] for note in app.notes() if "ids" in note] == [["one"], ["two"]]
    assert host.stop() == 0
    assert app.notes().count({"done": True}) == 1


def test_a_batch_that_takes_too_long_is_retried_by_its_policy(app, run, source, eventually):
    """Mend the function after the first attempt was ended."""
    run(TRIGGER + RETRY + FEED)
    source.write("one")
    eventually(lambda: len(app.notes()) == 2)
    assert source.checkpointed() == []

    app.root.joinpath("mended").touch()
    eventually(source.checkpointed)

    assert app.notes() == [{"ids": ["one"], "count": 0}, {"ids": ["one"], "count": 1}, {"done": True}]


def test_whatever_else_runs_in_the_worker_ends_with_it(app, run, eventually):
    """Ask an async function, and a sync one beside it, that both take for ever."""
    host = run(OTHERS)
    answers = []
    asking = [
        threading.Thread(target=lambda name=name: answers.append(ask(f"{host.url}api/{name}")[0]))
        for name in ("slow_too", "slow")
    ]
    asking[0].start()
    asking[1].start()
    for thread in asking:
        thread.join()

    assert answers == [500, 500]
    app.root.joinpath("mended").touch()
    assert ask(f"{host.url}api/slow")[0] == 200
    assert host.stop() == 0

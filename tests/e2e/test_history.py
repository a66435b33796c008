"""What status says of the last hours, on the running stack: true when nothing is written, and when the host is dead."""

import json
import urllib.parse
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from cdc.config.settings import Settings
from cdc.runtime import Runtime
from local.operator import Operator
from local.sample import Source
from mappers import APPLICATION_SQL, MAPPERS
from tests.builders import an_account
from tests.e2e.conftest import Query, count_applied, running_host, wait_until

NAMES = [mapper.container for mapper in MAPPERS]
WRONG = [
    *(
        ({"container": "Accounts", "hours": hours}, 400, "hours: must be a whole number from 1 to 168")
        for hours in ("0", "169", "1.5", "a day", "-1")
    ),
    ({"container": "Accounts", "since": "today"}, 400, "since: is unknown: use container, hours"),
    ({"container": "a/b"}, 400, "container: must be the name of a container"),
    ({"hours": "1"}, 400, "container: Field required"),
    ({"container": "accounts"}, 404, "This container is not replicated: name one of Accounts, "),
    ({"container": "' or 1=1 --"}, 404, "This container is not replicated"),
]


@pytest.fixture
def onlooker(settings: Mapping[str, str]) -> Iterator[Runtime]:
    """A process that looks at the stores and needs no host, as a command does."""
    runtime = Runtime(Settings.read(settings), MAPPERS, APPLICATION_SQL)
    yield runtime
    runtime.close()


@pytest.fixture
def pass_a_minute(dsn: str, query: Query) -> Callable[[], None]:
    """Let the timer take samples now, and wait for them."""

    def pass_() -> None:
        before = _count_samples(query)
        query("update cdc.maintenance set done_at = done_at - interval '60 seconds' where part = 'samples' returning 1")
        wait_until(lambda: _count_samples(query) > before, "the timer has taken samples")

    return pass_


def test_history_is_true_when_idle_and_when_the_host_is_dead(
    settings: Mapping[str, str],
    source: Source,
    query: Query,
    onlooker: Runtime,
    pass_a_minute: Callable[[], None],
    dsn: str,
) -> None:
    """No lag while nothing is written, though nothing is applied either. Then the host dies, and writes go on."""
    with running_host(settings) as host:
        operator = Operator(host.url, "key")
        for number in range(20):
            source.write("Accounts", an_account(f"a{number}"))
        wait_until(lambda: count_applied(dsn) == 20, "all is applied")
        wait_until(lambda: onlooker.samples.lag.read(["Accounts"], 60)["Accounts"].backlog == 0, "all is checkpointed")
        wait_until(lambda: query("select 1 from cdc.maintenance where part = 'samples'") != [], "the timer runs")
        pass_a_minute()
        pass_a_minute()
        history = _read(operator, container="Accounts", hours=1)
        host.kill()

    assert (history["container"], history["hours"], history["step_seconds"]) == ("Accounts", 1, 60)
    newest = history["samples"][-1]
    assert {name: newest[name] for name in newest if name != "at"} == {
        "container": "Accounts",
        "lag_seconds": 0.0,
        "backlog": 0,
        "unknown": None,
        "source_documents": 20,
        "documents": 20,
        "unmapped": 0,
        "parked": 0,
        "applied": 20,
    }
    for number in range(7):
        source.write("Accounts", an_account(f"b{number}"))
    assert onlooker.samples.lag.read(NAMES, 60)["Accounts"].backlog == 7
    for number in range(3):
        source.write("Accounts", an_account(f"c{number}"))
    lags = onlooker.samples.lag.read(NAMES, 60)
    assert {name: lags[name].backlog for name in NAMES} == dict.fromkeys(NAMES, 0) | {"Accounts": 10}
    assert all(lag.unknown is None for lag in lags.values())


def test_a_wrong_question_is_refused(operator: Operator) -> None:
    """With what is wrong, and what would be right. No samples yet is an answer, also of the longest span."""
    for asked, status, sentence in WRONG:
        answered, problem = operator.ask("GET", f"status/history?{urllib.parse.urlencode(asked)}")

        sentences = [problem["detail"], *(f"{each['field']}: {each['message']}" for each in problem["errors"])]
        assert answered == status
        assert any(each.startswith(sentence) for each in sentences), json.dumps(problem)
    for hours in (1, 24, 168):
        history = _read(operator, container="UserProfiles", hours=hours)
        assert (history["samples"], history["hours"]) == ([], hours)


def _read(operator: Operator, **query: Any) -> Any:
    status, answer = operator.ask("GET", f"status/history?{urllib.parse.urlencode(query)}")
    assert status == 200
    return answer


def _count_samples(query: Query) -> int:
    return int(query("select count(*) from cdc.sample")[0][0])

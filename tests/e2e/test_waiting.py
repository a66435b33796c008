"""Documents that wait for another one: on the running stack, in tables that have the rules of the cut-over."""

from collections.abc import Callable, Mapping

import psycopg
import pytest

from local.operator import Operator
from local.sample import Source
from local.stack import ROOT, Part
from tests.builders import a_score, a_session, an_account
from tests.e2e.conftest import Query, read_status, wait_until

# Seconds before the first try. Five tries are over at once; one that comes too late for a test leaves it to the other
# document's arrival to wake the letter.
FIVE_TRIES, ONE_TRY, TOO_LATE = "0.05", "1", "3600"


@pytest.fixture(params=[TOO_LATE, FIVE_TRIES])
def backoff(request: pytest.FixtureRequest) -> str:
    """When a letter is tried; the tries may be over before the other document comes."""
    return str(request.param)


@pytest.fixture
def settings(settings: Mapping[str, str], dsn: str, backoff: str) -> Mapping[str, str]:
    """The app's settings; the tables have the rules."""
    with psycopg.connect(dsn) as connection:
        connection.execute((ROOT / "sql/cutover/rules.sql").read_bytes())
    return {**settings, "DEAD_LETTER_BACKOFF_SECONDS": backoff}


@pytest.fixture
def is_parked(operator: Operator, backoff: str) -> Callable[[str, str], bool]:
    """Tell whether a container's only letter is of a kind, and in the state in which the other document is to come."""
    state = "exhausted" if backoff == FIVE_TRIES else "waiting"

    def is_parked(container: str, kind: str) -> bool:
        items = operator.ask("GET", f"dead-letters?container={container}")[1]["items"]
        return [(item["kind"], item["state"]) for item in items] == [(kind, state)]

    return is_parked


def wait_until_nothing_waits(operator: Operator, applied: Mapping[str, int]) -> None:
    """Wait until every letter is gone, and no document is parked, as the numbers of the status have it."""

    def count() -> dict[str, int]:
        containers = read_status(operator)["containers"]
        assert {each["documents"]["deleted"] for each in containers} == {0}
        return {
            each["container"]: each["documents"]["applied"]
            for each in containers
            if each["documents"]["applied"] and not each["dead_letters"] and not each["documents"]["parked"]
        }

    wait_until(lambda: count() == applied, "nothing waits any more")
    assert operator.ask("GET", "dead-letters")[1] == {"items": [], "next": None, "paused": []}


def test_a_unique_value_goes_in_when_its_holder_gives_it_up(
    host: Part, source: Source, query: Query, operator: Operator, is_parked: Callable[[str, str], bool]
) -> None:
    """Two accounts have one e-mail, until the first one has another."""
    source.write("Accounts", an_account("one", Email="x@example.com"))
    wait_until(lambda: query("select id from accounts") == [("one",)], "the first account is there")
    source.write("Accounts", an_account("two", Email="x@example.com"))
    wait_until(lambda: is_parked("Accounts", "conflict"), "the second account is parked")

    source.write("Accounts", an_account("one", Email="y@example.com"))

    wait_until_nothing_waits(operator, {"Accounts": 2})
    emails = query("select id, email from accounts order by id")
    assert emails == [("one", "y@example.com"), ("two", "x@example.com")]


@pytest.mark.parametrize("backoff", [ONE_TRY, FIVE_TRIES])
def test_two_documents_swap_their_rows(
    host: Part, source: Source, query: Query, operator: Operator, is_parked: Callable[[str, str], bool]
) -> None:
    """Documents of the first generation name their rows: each alone is refused, and both go in together."""
    source.write("Accounts", an_account("one", Id="r1", Email="one@example.com"))
    source.write("Accounts", an_account("two", Id="r2", Email="two@example.com"))
    wait_until(lambda: query("select count(*) from accounts") == [(2,)], "both accounts are there")
    source.write("Accounts", an_account("one", Id="r2", Email="one@example.com"))
    wait_until(lambda: is_parked("Accounts", "conflict"), "the first one is parked")

    source.write("Accounts", an_account("two", Id="r1", Email="two@example.com"))

    wait_until_nothing_waits(operator, {"Accounts": 2})
    rows = query("select id, email from accounts order by id")
    assert rows == [("r1", "two@example.com"), ("r2", "one@example.com")]
    assert query("select count(*) from completed_scenarios") == [(2,)]


def test_children_go_in_when_their_parent_comes(
    host: Part, source: Source, query: Query, operator: Operator, is_parked: Callable[[str, str], bool]
) -> None:
    """A session waits for its account, and a score for that session."""
    source.write("PlayerScenarioScores", a_score("score", GameSessionId="session"))
    source.write("GameSessions", a_session("session", accountId="one"))
    for container in ("PlayerScenarioScores", "GameSessions"):
        wait_until(lambda name=container: is_parked(name, "missing_parent"), f"what is in {container} is parked")

    source.write("Accounts", an_account("one"))

    wait_until_nothing_waits(operator, {"Accounts": 1, "GameSessions": 1, "PlayerScenarioScores": 1})
    assert query("select game_session_id, account_id from player_scenario_scores s, game_sessions g") == [
        ("session", "one")
    ]

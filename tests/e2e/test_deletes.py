"""Deletes in Cosmos reach PostgreSQL and stay there: on the running stack, in both modes of the change feed."""

from collections.abc import Mapping
from typing import Any

import psycopg
import pytest
from azure.cosmos import ContainerProxy, CosmosClient

from cdc.config.settings import Settings
from cdc.runtime import Runtime
from local.cosmos import CosmosServer
from local.operator import Operator
from local.sample import Source
from local.stack import ALL_VERSIONS, Part, make_settings
from mappers import APPLICATION_SQL, MAPPERS
from tests.builders import a_badge, a_profile, an_account
from tests.commands import prepare, run_command
from tests.e2e.conftest import Query, is_equal, read_status, wait_for_leases, wait_until

KEY = "key"
DAY = 86_400
ACCOUNTS, VERSIONS = 12, 84


@pytest.fixture
def mode() -> str:
    """The mode of the change feed; a test may choose the other."""
    return ALL_VERSIONS


def ids(query: Query) -> set[str]:
    """Return which profiles have rows."""
    return {id_ for (id_,) in query("select id from user_profiles")}


def test_deletes_and_expiries_reach_postgres_from_the_feed_of_all_versions(
    host: Part, source: Source, query: Query, operator: Operator
) -> None:
    """A delete, an expiry, and a delete followed by a new document: root and child rows, and nothing is drift."""
    profiles = {id_: a_profile(id_, EarnedBadges=[a_badge("one"), a_badge("two")]) for id_ in "abcd"}
    for profile in profiles.values():
        source.write("UserProfiles", profile)
    wait_until(lambda: ids(query) == set("abcd"), "all profiles are there")

    source.delete("UserProfiles", profiles["a"])
    source.write("UserProfiles", profiles["b"] | {"ttl": 1})
    source.delete("UserProfiles", profiles["c"])
    source.write("UserProfiles", a_profile("c", Name="Once more", EarnedBadges=[a_badge("three")]))

    wait_until(lambda: ids(query) == set("cd"), "the deleted and the expired profile are gone")
    wait_until(
        lambda: query("select name from user_profiles where id = 'c'") == [("Once more",)], "the new profile is there"
    )
    badges = query("select user_profile_id, id from user_badges order by 1, 2")
    assert badges == [("c", "three"), ("d", "one"), ("d", "two")]
    (feed,) = [feed for feed in read_status(operator)["change_feeds"] if feed["container"] == "UserProfiles"]
    assert (feed["mode"], feed["gaps"], feed["suspects"]) == (ALL_VERSIONS, 0, 0)
    assert feed["backfill_since"] == feed["complete_reconcile_since"] is not None


def test_a_page_of_many_versions_ends_as_if_each_had_come_alone(
    settings: Mapping[str, str], empty_dsn: str, source: Source, query: Query
) -> None:
    """84 versions of 12 accounts: a lease's in one page, and one by one in another app with a database of its own."""
    together = {**settings, "MAX_ITEMS_PER_INVOCATION": "1000"}
    alone = {**settings, "MAX_ITEMS_PER_INVOCATION": "1", "LEASE_PREFIX": "alone", "POSTGRES_CONNECTION": empty_dsn}
    alone = prepare(alone)
    parts = {each["LEASE_PREFIX"]: Part(["local.functions", "--key", KEY], each) for each in (together, alone)}
    # A lease without a continuation would begin after what is written while nobody reads.
    for number in range(ACCOUNTS):
        source.write("Accounts", an_account(f"account-{number}"))
    for each in (together, alone):
        wait_until(lambda each=each: _states(each).get("applied") == ACCOUNTS, "the first versions are there")
        parts[each["LEASE_PREFIX"]].stop()
    alive = _write_versions(source)

    for each in (together, alone):
        part = parts[each["LEASE_PREFIX"]]
        part.start()
        try:
            wait_until(lambda each=each: _states(each).get("deleted") == ACCOUNTS - len(alive), "the deletes are there")
            wait_until(lambda each=each: _states(each).get("applied") == len(alive), "the others are there")
            wait_until(lambda each=each: is_equal(each), "both sides are equal")
            status = read_status(Operator(part.url, KEY))
        finally:
            part.stop()
        assert {(feed["gaps"], feed["suspects"]) for feed in status["change_feeds"]} == {(0, 0)}
    assert _rows(together) == _rows(alone)


def _write_versions(source: Source) -> set[str]:
    alive = {f"account-{number}" for number in range(ACCOUNTS)}
    for number in range(VERSIONS):
        id_ = f"account-{number % ACCOUNTS}"
        if number % 7 == 6 and id_ in alive:
            source.delete("Accounts", {"id": id_})
            alive.remove(id_)
        else:
            scenarios = [f"scenario-{each}" for each in range(number % 4)]
            source.write("Accounts", an_account(id_, DisplayName=f"{number}", CompletedScenarioIds=scenarios))
            alive.add(id_)
    return alive


def _states(settings: Mapping[str, str]) -> dict[str, int]:
    with psycopg.connect(settings["POSTGRES_CONNECTION"]) as connection:
        return dict(connection.execute("select state, count(*) from cdc.document group by state").fetchall())


def _rows(settings: Mapping[str, str]) -> list[Any]:
    texts = (
        "select * from accounts order by id",
        "select * from completed_scenarios order by 1, 2",
        "select key, ts, lsn, row_key, state from cdc.document order by key",
        "select key, kind from cdc.dead_letter",
    )
    with psycopg.connect(settings["POSTGRES_CONNECTION"]) as connection:
        return [connection.execute(text).fetchall() for text in texts]


def test_a_planted_gap_is_counted(host: Part, source: Source, query: Query, operator: Operator) -> None:
    """A version that PostgreSQL never had: the next one is applied, and the document suspected."""
    source.write("Accounts", an_account("a"))
    source.write("Accounts", an_account("b"))
    wait_until(lambda: query("select count(*) from accounts") == [(2,)], "both accounts are there")
    query("update cdc.document set lsn = lsn - 1 where id = %s returning 1", '"a"')

    for id_ in "ab":
        source.write("Accounts", an_account(id_, DisplayName="next"))

    wait_until(lambda: query("select count(*) from accounts where display_name = 'next'") == [(2,)], "both are applied")
    (feed,) = [feed for feed in read_status(operator)["change_feeds"] if feed["container"] == "Accounts"]
    assert (feed["gaps"], feed["suspects"]) == (1, 1)
    assert query("select d.id from cdc.suspect s join cdc.document d using (key)") == [('"a"',)]


@pytest.mark.parametrize(
    ("mode", "waits", "pruned"),
    [
        pytest.param("latest_version", 150 * DAY, 19, id="one is younger than the change that waits"),
        pytest.param(ALL_VERSIONS, 300, 19, id="all are older than the change that waits"),
        pytest.param(ALL_VERSIONS, 150 * DAY, 0, id="what waits is older than the feed"),
    ],
)
def test_a_tombstone_stays_as_long_as_a_lease_may_need_it(
    settings: Mapping[str, str], source: Source, query: Query, cosmos: CosmosServer, waits: int, pruned: int
) -> None:
    """In the feed of all versions, so does one of a container whose leases have no position yet."""
    host = Part(["local.functions", "--key", KEY], settings)
    runtime = Runtime(Settings.read(settings), MAPPERS, APPLICATION_SQL)
    try:
        for number in range(20):  # in both physical partitions
            source.write("Accounts", an_account(f"account-{number}"))
        wait_until(lambda: query("select count(*) from accounts") == [(20,)], "all accounts are there")
        # A host that is stopped before it checkpoints leaves younger changes before the one of then.
        wait_for_leases(settings)
    finally:
        host.stop()
    _forget_positions(settings, source.containers["UserProfiles"].read()["_rid"])
    days = "now() - interval '200 days', ts = ts - 200 * 86400"
    query(f"update cdc.document set applied_at = {days}, state = 'deleted' returning 1")
    query("update cdc.document set container = 'UserProfiles' where id = %s returning 1", '"account-1"')
    cosmos.controls.clock.advance(-waits)
    source.write("Accounts", an_account("written-then"))
    cosmos.controls.clock.advance(waits)
    query("update cdc.document set ts = ts + 100 * 86400 where id = %s returning 1", '"account-0"')

    try:
        assert runtime.pruning.prune(mapper.container for mapper in MAPPERS) == pruned
    finally:
        runtime.close()
    left = [id_ for (id_,) in query("select id from cdc.document")]
    assert ('"account-0"' in left) == (waits == 150 * DAY)
    assert ('"account-1"' in left) == (settings["CHANGE_FEED_MODE"] == ALL_VERSIONS)


def _forget_positions(settings: Mapping[str, str], rid: str) -> None:
    """Take the leases of a container back to what they were when the host had written them."""
    with CosmosClient.from_connection_string(settings["COSMOS_CONNECTION"]) as client:
        database = client.get_database_client(settings["LEASE_DATABASE"])
        container = database.get_container_client(settings["LEASE_CONTAINER"])
        for lease in _list_leases(container):
            if f"_{rid}.." in lease["id"]:
                container.upsert_item(lease | {"ContinuationToken": None})


def test_the_leases_of_an_idle_container_begin_without_a_backfill(settings: Mapping[str, str], host: Part) -> None:
    """A lease without a continuation begins at now after a failed read, too: what changed meanwhile is in no feed."""
    with CosmosClient.from_connection_string(settings["COSMOS_CONNECTION"]) as client:
        database = client.get_database_client(settings["LEASE_DATABASE"])
        container = database.get_container_client(settings["LEASE_CONTAINER"])

        def find_begun() -> dict[str, str]:
            found = _list_leases(container)
            return {lease["id"]: lease["timestamp"] for lease in found if lease["ContinuationToken"]}

        wait_until(lambda: len(find_begun()) == 2 * len(MAPPERS), "the timer of the app has let every lease begin")
        then = find_begun()
        wait_until(lambda: not then.items() & _read_renewals(container).items(), "the host has renewed every lease")

        assert find_begun().keys() == then.keys()


def _read_renewals(container: ContainerProxy) -> dict[str, str]:
    return {lease["id"]: lease["timestamp"] for lease in _list_leases(container)}


def _list_leases(container: ContainerProxy) -> list[dict[str, Any]]:
    return [dict(found) for found in container.read_all_items() if "LeaseToken" in found]


def test_a_feed_that_the_account_does_not_keep_is_told_in_one_sentence(cosmos: CosmosServer, dsn: str) -> None:
    """The containers were made without a policy for it: check and health say what to do."""
    settings = {**prepare(make_settings(cosmos.connection_string, dsn)), "CHANGE_FEED_MODE": ALL_VERSIONS}
    done = run_command("check", settings=settings)

    assert done.returncode == 1
    assert "FAIL  container Accounts: CHANGE_FEED_MODE is all_versions_and_deletes, but the account" in done.stdout


@pytest.mark.parametrize("mode", ["latest_version"])
def test_a_delete_that_the_feed_does_not_tell_is_confirmed_on_demand(
    host: Part, source: Source, query: Query, operator: Operator, mode: str
) -> None:
    """A reader that misses a document asks for it; one answer of Cosmos is not believed, the second is."""
    source.write("UserProfiles", a_profile("a"))
    wait_until(lambda: ids(query) == {"a"}, "the profile is there")
    source.delete("UserProfiles", a_profile("a"))

    assert operator.resync("UserProfiles", "a", "a") == "to_be_confirmed"
    assert ids(query) == {"a"}
    wait_until(lambda: ids(query) == set(), "the answer was confirmed")
    wait_until(lambda: operator.resync("UserProfiles", "a", "a") == "absent", "nobody doubts it any more")
    assert query("select count(*) from user_badges") == [(0,)]

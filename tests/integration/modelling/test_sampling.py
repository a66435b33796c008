"""A sample of a real container: several feed ranges, ages of months, a budget, a split, a throttled source."""

import json
import re
import sys

import pytest
from azure.cosmos import CosmosClient, PartitionKey

from cdc.command import main
from cdc.cosmos.account import CosmosAccount
from cdc.cosmos.feeds import CosmosFeeds
from cdc.modelling import command
from cdc.modelling.profile import Profile
from cdc.modelling.sampling import Sample
from local.cosmos import CosmosServer

DAYS = 100
EACH_DAY = 8
TOTAL = DAYS * EACH_DAY
FEED = "read_change_feed"


@pytest.fixture(scope="module")
def cosmos():
    """A server with four physical partitions, and documents of a hundred days in one container."""
    with CosmosServer(port=0, physical_partitions=4) as server:
        client = CosmosClient.from_connection_string(server.connection_string)
        database = client.create_database_if_not_exists("Shop")
        database.create_container_if_not_exists("Orders", PartitionKey("/customer"))
        server.controls.clock.advance(-DAYS * 86_400)
        for day in range(DAYS):
            for number in range(EACH_DAY):
                document = {"id": f"{day}-{number}", "docType": "Order", "customer": f"c{number}", "day": day}
                ages = ({"old": 1} if day < 20 else {}) | ({"new": 1} if day >= 95 else {})
                server.controls.write("Shop", "Orders", document | ages)
            server.controls.clock.advance(86_400)
        client.close()
        yield server


@pytest.fixture
def feed(cosmos):
    """The change feed of the orders."""
    account = CosmosAccount(cosmos.connection_string, "Shop")
    feeds = CosmosFeeds(account)
    with feeds.open("Orders") as feed:
        yield feed
    cosmos.controls.clear()
    feeds.close()
    account.close()


def take(feed, budget):
    """Read a sample; return it with its documents, which come once each."""
    sample = Sample(feed, budget, lambda _: None, sleep=lambda _: None)
    documents = list(sample.read())
    assert len({document["id"] for document in documents}) == len(documents) == sample.progress.read
    assert sample.progress.documents == TOTAL
    return sample, documents


def test_a_small_budget_reaches_every_feed_range_and_every_age(feed):
    """And is kept: no unit more is spent, and only a part is read."""
    sample, documents = take(feed, 160)

    assert sample.progress.request_units <= 160
    assert not sample.progress.complete
    assert len(documents) < TOTAL
    assert {document["customer"] for document in documents} == {f"c{number}" for number in range(EACH_DAY)}
    tenths = {document["day"] // 10 for document in documents}
    assert {0, 9} <= tenths
    assert len(tenths) >= 6


@pytest.mark.parametrize("budget", [100_000, None])
def test_a_budget_that_is_enough_reads_everything_once(feed, budget):
    """So does no budget."""
    sample, documents = take(feed, budget)

    assert sample.progress.complete
    assert len(documents) == TOTAL


def test_documents_of_one_second_are_read_to_the_last(cosmos):
    """As an import writes them: the ages do not tell them apart, and a page ends among them."""
    client = CosmosClient.from_connection_string(cosmos.connection_string)
    container = client.get_database_client("Shop").create_container_if_not_exists("Bulk", PartitionKey("/id"))
    for number in range(60):
        container.upsert_item({"id": str(number)})
    client.close()
    account = CosmosAccount(cosmos.connection_string, "Shop")
    feeds = CosmosFeeds(account)
    with feeds.open("Bulk") as bulk:
        sample = Sample(bulk, 100_000, lambda _: None)
        ids = sorted(int(document["id"]) for document in sample.read())
    feeds.close()
    account.close()

    assert ids == list(range(60))
    assert sample.progress.complete


def test_a_budget_that_is_spent_by_the_count_reads_nothing(feed):
    """Rather than spending more."""
    assert take(feed, 1)[1] == []


def test_a_throttled_source_is_read_on_after_a_while(feed, cosmos):
    """The SDK gives up before."""
    cosmos.controls.throttle(12, operation=FEED)

    assert len(take(feed, None)[1]) == TOTAL


def test_ranges_that_split_while_they_are_read_lose_nothing(cosmos, feed):
    """The children go on where their parent was. The last test: it splits for good."""
    sample = Sample(feed, 100_000, lambda _: None)
    ids = []
    for number, document in enumerate(sample.read()):
        ids.append(document["id"])
        if number == 30:
            for range_id in cosmos.controls.list_ranges("Shop", "Orders"):
                cosmos.controls.split("Shop", "Orders", range_id)

    assert len(ids) == len(set(ids)) == TOTAL
    assert sample.progress.complete


def test_the_command_reads_the_source_alone(cosmos, tmp_path, monkeypatch, capsys):
    """Without any setting of PostgreSQL; the table and the file say what is there, and where it is from."""
    monkeypatch.chdir(tmp_path)
    for name in ("POSTGRES_CONNECTION", "LEASE_DATABASE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COSMOS_CONNECTION", cosmos.connection_string)
    monkeypatch.setenv("COSMOS_DATABASE", "Shop")
    monkeypatch.setattr(sys, "argv", ["cdc", "profile", "Orders"])
    monkeypatch.setattr(command, "_SECONDS", 0)
    assert main() == 0

    shown = capsys.readouterr()
    profile = Profile.model_validate_json((tmp_path / "Orders.profile.json").read_text())
    (orders,) = profile.types
    assert profile.source.model_dump(exclude={"youngest_days", "oldest_days", "request_units", "feed_ranges"}) == {
        "name": "Orders",
        "kind": "container",
        "read": TOTAL,
        "complete": True,
        "documents": TOTAL,
        "partition_key": ("/customer",),
    }
    assert profile.source.request_units < 5_000
    assert (orders.name, orders.documents) == ("Order", TOTAL)
    assert (orders.root.fields["old"].present, orders.root.fields["new"].present) == (20 * EACH_DAY, 5 * EACH_DAY)
    assert f"Orders: {TOTAL} of {TOTAL} documents, all" in shown.out
    assert "$.docType" in shown.out
    old, new = (next(line for line in shown.out.splitlines() if f"$.{name} " in line) for name in ("old", "new"))
    assert "not in the last 81 days" in old
    assert "only in the last 5 days" in new
    assert re.search(rf"Orders: [0-9]+ of {TOTAL} documents, [0-9]+ of 5000 request units\n", shown.err)
    assert json.loads((tmp_path / "Orders.profile.json").read_text())["format"] == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["profile"], "Name a container, or a file with --json."),
        (["profile", "Orders", "--json", "empty.json"], "Orders has no documents"),
        (["profile", "Nothing"], "Cosmos does not have the container Nothing in database Shop"),
        (["profile", "--json", "empty.json"], "empty has no documents"),
        (["profile", "--json", "one.json", "--output", "none/x.json"], "x.json cannot be written"),
    ],
)
def test_what_cannot_be_profiled_is_one_sentence(cosmos, tmp_path, monkeypatch, capsys, arguments, message):
    """And exit code 1."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty.json").write_text("[]")
    (tmp_path / "one.json").write_text("{}")
    monkeypatch.setenv("COSMOS_CONNECTION", cosmos.connection_string)
    monkeypatch.setenv("COSMOS_DATABASE", "Shop")
    monkeypatch.setattr(sys, "argv", ["cdc", *arguments])

    assert main() == 1
    assert message in capsys.readouterr().err

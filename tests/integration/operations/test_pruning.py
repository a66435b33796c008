"""Old tombstones go, but none that somebody may still need."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from cdc.backfill.store import PostgresBackfills
from cdc.core.documents import Identity
from cdc.core.errors import FatalError
from cdc.operations import pruning
from cdc.operations.pruning import Pruning, prune_tombstones
from cdc.reconcile.store import PostgresRuns
from cdc.replication.batch import replicate
from mappers.accounts import ACCOUNTS
from tests.builders import a_change, a_version

CONTAINERS = ["PendingSignups", "Accounts", "UserProfiles"]


def test_old_tombstones_go_and_are_not_needed_any_more(database, sink, observer):
    """Young ones stay, those that a letter or a suspicion needs, and everything that is no tombstone."""
    ids = ["old", "young", "suspect", "doubted", "live"]
    replicate(ACCOUNTS, [a_change(id_, version=a_version(0, 1)) for id_ in ids], sink)
    replicate(ACCOUNTS, [a_change(id_, version=a_version(1, 2, ""), body=None) for id_ in ids[:-1]], sink)
    keys = {id_: Identity.of("Accounts", id_, id_).key for id_ in ids}
    execute = observer.connection.execute
    execute("update cdc.document set applied_at = now() - interval '40 days' where id <> '\"young\"'")
    execute("insert into cdc.suspect (key, container) values (%s, 'Accounts')", [keys["suspect"]])
    replicate(ACCOUNTS, [a_change("doubted", version=a_version(1, None, "other"))], sink)

    pruned = prune_tombstones(database, "Accounts", datetime.now(UTC) - timedelta(days=31))

    assert pruned == 1
    assert observer.states().keys() == set(ids) - {"old"}
    assert prune_tombstones(database, "UserProfiles", datetime.now(UTC)) == 0


def test_tombstones_go_in_small_transactions_that_wait_for_nobody(database, sink, observer, connection, monkeypatch):
    """However many there are; one that somebody writes meanwhile stays."""
    monkeypatch.setattr(pruning, "_AT_ONCE", 2)
    deletes = [a_change(f"a{number}", version=a_version(0, 1, ""), body=None) for number in range(6)]
    replicate(ACCOUNTS, deletes, sink)

    with connection.transaction():
        connection.execute("select from cdc.document where id = %s for update", ['"a3"'])
        assert prune_tombstones(database, "Accounts", datetime.now(UTC)) == 5

    assert observer.states().keys() == {"a3"}


def test_a_container_that_cannot_be_pruned_hinders_no_other(database, sink, observer):
    """Its leases cannot be read, or its container is another one; the failure is raised after the others."""
    replicate(ACCOUNTS, [a_change("old", version=a_version(0, 1, ""), body=None)], sink)
    observer.connection.execute("update cdc.document set applied_at = now() - interval '40 days'")

    def confirm(container):
        if container != "Accounts":
            raise FatalError(f"The container {container} is not the one seen first.")
        return container

    leases = SimpleNamespace(read_oldest_pending=lambda _: None)
    backfills, runs = PostgresBackfills(database), PostgresRuns(database)
    samples = SimpleNamespace(prune=lambda: None)
    daily = Pruning(database, SimpleNamespace(confirm=confirm), leases, backfills, runs, samples, retention_days=31)

    with pytest.raises(FatalError, match="PendingSignups"):
        daily.prune(CONTAINERS)

    assert observer.states() == {}

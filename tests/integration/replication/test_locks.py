"""Locks are taken in one order by all writers, so that no circle can close."""

from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import psycopg
import pytest

from cdc.core.documents import Reading
from cdc.postgres.database import Database
from cdc.repair.reread import repair_document
from cdc.repair.store import PostgresRereadStore
from cdc.replication.batch import replicate
from mappers.accounts import ACCOUNTS
from tests.builders import an_upsert


def write_while_locked(dsn, observer, table, low, high, write):
    """Write while somebody holds `low`, and return what comes of it; fails unless `high` is free meanwhile."""
    lock = f"select 1 from {table} where key = %s for update"
    with psycopg.connect(dsn) as first, psycopg.connect(dsn) as second, ThreadPoolExecutor(1) as pool:
        first.execute(lock, [low.key])
        outcome = pool.submit(*write)
        observer.wait_until_blocked()
        try:
            second.execute(f"{lock} nowait", [high.key])
        finally:
            second.rollback()
            first.rollback()
        return outcome.result()


def test_the_ledger_is_locked_in_key_order(dsn, sink, observer):
    """A transaction that waits for one document holds no document with a greater key, however its batch was ordered."""
    low, high = sorted((an_upsert("a"), an_upsert("b")), key=lambda change: change.key)
    replicate(ACCOUNTS, [low, high], sink)
    low_id, high_id = (change.identity.id.strip('"') for change in (low, high))
    batch = [an_upsert(high_id, ts=1), an_upsert(low_id, ts=1)]

    outcome = write_while_locked(dsn, observer, "cdc.document", low, high, (replicate, ACCOUNTS, batch, sink))

    assert outcome.applied == 2


@pytest.mark.parametrize("email", ["thandi@example.com", None], ids=["cleared", "parked"])
def test_letters_are_locked_in_key_order(dsn, sink, observer, email):
    """A transaction that waits for one document's letter holds no letter with a greater key: no circle can close."""
    low, high = sorted((an_upsert("a", Email=None), an_upsert("b", Email=None)), key=lambda change: change.key)
    replicate(ACCOUNTS, [low, high], sink)
    low_id, high_id = (change.identity.id.strip('"') for change in (low, high))
    batch = [an_upsert(low_id, ts=0, lsn=7), an_upsert(high_id, ts=1, Email=email)]

    outcome = write_while_locked(dsn, observer, "cdc.dead_letter", low, high, (replicate, ACCOUNTS, batch, sink))

    assert outcome.undecided == 1


def read_again(change, app_dsn):
    """Repair a document whose source answers with this change."""
    database = Database(app_dsn)
    repairs = PostgresRereadStore(database, backoff_seconds=60, settle_seconds=120)
    version = {"_ts": change.version.ts, "_etag": change.version.etag}
    source = SimpleNamespace(read_document=lambda _: Reading(change.body | version, change.version.ts))
    repair_document(ACCOUNTS, change.identity, source, repairs)
    database.close()


@pytest.mark.parametrize("write", ["deliver", "repair"])
def test_letters_that_are_woken_are_locked_in_the_same_order(dsn, app_dsn, sink, observer, write):
    """A transaction that clears one letter and wakes another holds none while it waits for the lesser one."""
    low, high = sorted((an_upsert("a", row="r"), an_upsert("b", row="r")), key=lambda change: change.key)
    high_id = high.identity.id.strip('"')
    for change in (high, low, an_upsert(high_id, ts=1, Email=None)):
        replicate(ACCOUNTS, [change], sink)
    assert len(observer.letters()) == 2
    moved = an_upsert(high_id, ts=2, row="elsewhere")
    steps = (replicate, ACCOUNTS, [moved], sink) if write == "deliver" else (read_again, moved, app_dsn)

    write_while_locked(dsn, observer, "cdc.dead_letter", low, high, steps)

    assert observer.rows("cdc.dead_letter", "id, next_attempt_at <= now() as due") == [
        {"id": low.identity.id, "due": True}
    ]

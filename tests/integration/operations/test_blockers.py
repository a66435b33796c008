"""The statement that the remedies give names who holds the lock, on a real server."""

import threading

import psycopg

from cdc.operations.problems import BLOCKERS


def test_it_names_the_session_that_blocks_and_not_the_one_that_waits(dsn, connection, observer):
    """With its application, its state and the begin of its transaction."""
    with psycopg.connect(dsn, application_name="a-rebuild") as holder, psycopg.connect(dsn) as waiter:
        begun = holder.execute("select now()").fetchone()[0]
        holder.execute("lock table public.user_profiles")
        waiting = threading.Thread(target=waiter.execute, args=("lock table public.user_profiles",))
        waiting.start()
        observer.wait_until_blocked()
        found = connection.execute(BLOCKERS).fetchall()
        pid, user = holder.info.backend_pid, holder.info.user
        holder.rollback()
        waiting.join()

        assert [tuple(each) for each in found] == [(pid, user, "a-rebuild", "idle in transaction", begun)]
        assert connection.execute(BLOCKERS).fetchall() == []

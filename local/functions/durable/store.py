"""Keep instances, histories, waiting messages and activities in a SQLite file."""

import json
import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from local.functions.durable import history
from local.functions.durable.history import Event
from local.functions.durable.instances import Activity, Instance, Message, Parent, Status
from local.functions.errors import HostError

_VERSION = 1
_LONGEST_WAIT = 30.0
_TABLES = """
create table instance (
  id text primary key, execution text not null, name text not null, status text not null, created text not null,
  updated text not null, input text, output text, custom_status text, version text, parent text);
create table history (instance text, position integer, event text not null, primary key (instance, position));
create table message (
  id integer primary key autoincrement, instance text not null, execution text, due real not null, event text not null);
create index message_of_instance on message (instance, due);
create table activity (
  id integer primary key autoincrement, instance text not null, execution text not null, task integer not null,
  name text not null, input text not null);
"""


class Store:
    """Read and write one file; every change belongs into a transaction."""

    def __init__(self, path: Path) -> None:
        self._lock = threading.RLock()
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._connection = sqlite3.connect(
                path, timeout=_LONGEST_WAIT, isolation_level=None, check_same_thread=False
            )
            _use_wal(self._connection)
        except (OSError, sqlite3.Error) as error:
            raise HostError(f"the state of the durable functions cannot be kept in {path}: {error}") from None
        # What a killed process wrote is safe all the same: only the machine must not lose its power.
        self._connection.execute("pragma synchronous = off")
        self._connection.row_factory = sqlite3.Row
        self._create_tables(path)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Make the changes within durable together, or not at all."""
        with self._lock:
            self._connection.execute("begin immediate")
            try:
                yield
            except BaseException:
                self._connection.execute("rollback")
                raise
            self._connection.execute("commit")

    def find(self, instance_id: str) -> Instance | None:
        """Return an instance."""
        rows = self._query("select * from instance where id = ?", instance_id)
        return _read_instance(rows[0]) if rows else None

    def all(self) -> list[Instance]:
        """Return every instance, the oldest first."""
        return [_read_instance(row) for row in self._query("select * from instance order by created, id")]

    def save(self, instance: Instance) -> None:
        """Insert or replace an instance."""
        values = {**asdict(instance), "created": history.write_time(instance.created)}
        values["updated"] = history.write_time(instance.updated)
        values["parent"] = None if instance.parent is None else json.dumps(asdict(instance.parent))
        marks = ", ".join(f":{name}" for name in values)
        self._connection.execute(f"replace into instance ({', '.join(values)}) values ({marks})", values)  # noqa: S608

    def delete(self, instance_id: str) -> None:
        """Delete an instance with its history and messages; its activities may still be running."""
        self.clear(instance_id)
        self._connection.execute("delete from instance where id = ?", (instance_id,))

    def clear(self, instance_id: str) -> None:
        """Delete the history and the messages of an instance."""
        self.delete_history(instance_id)
        self.forget_messages(instance_id)

    def delete_history(self, instance_id: str) -> None:
        """Delete the history of an instance."""
        self._connection.execute("delete from history where instance = ?", (instance_id,))

    def history(self, instance_id: str) -> list[Event]:
        """Return the history of an instance."""
        rows = self._query("select event from history where instance = ? order by position", instance_id)
        return [json.loads(row["event"]) for row in rows]

    def append(self, instance_id: str, events: Iterable[Event]) -> None:
        """Add to the history of an instance."""
        rows = [(instance_id, json.dumps(event), instance_id) for event in events]
        self._connection.executemany(
            "insert into history select ?, coalesce(max(position), 0) + 1, ? from history where instance = ?", rows
        )

    def send(self, instance_id: str, event: Event, *, execution: str | None = None, due: float | None = None) -> None:
        """Leave a message for an instance, or for one of its executions, to be read when it is due."""
        when = history.now().timestamp() if due is None else due
        self._connection.execute(
            "insert into message (instance, execution, due, event) values (?, ?, ?, ?)",
            (instance_id, execution, when, json.dumps(event)),
        )

    def messages(self, instance: Instance) -> list[Message]:
        """Return the messages of an execution that are due, in the order of their times."""
        rows = self._query(
            "select id, event from message where instance = ? and coalesce(execution, ?) = ? and due <= ?"
            " order by due, id",
            instance.id,
            instance.execution,
            instance.execution,
            history.now().timestamp(),
        )
        return [Message(id=row["id"], event=json.loads(row["event"])) for row in rows]

    def delete_messages(self, messages: Iterable[Message]) -> None:
        """Delete messages that were read."""
        self._connection.executemany("delete from message where id = ?", [(message.id,) for message in messages])

    def forget_messages(self, instance_id: str, *, execution: str | None = None) -> None:
        """Delete the messages of an instance, or only those of one execution."""
        self._connection.execute(
            "delete from message where instance = ? and coalesce(execution, '') = coalesce(?, execution, '')",
            (instance_id, execution),
        )

    def find_ready(self) -> list[str]:
        """Return the instances that have messages and may run."""
        rows = self._query(
            "select instance.id from message join instance on instance.id = message.instance"
            " where due <= ? and coalesce(message.execution, instance.execution) = instance.execution"
            " and status in (?, ?) group by instance.id order by min(due)",
            history.now().timestamp(),
            Status.PENDING,
            Status.RUNNING,
        )
        return [row["id"] for row in rows]

    def find_next_due(self) -> float | None:
        """Return when the next message will be due, of those that are not."""
        rows = self._query("select min(due) as due from message where due > ?", history.now().timestamp())
        return None if rows[0]["due"] is None else float(rows[0]["due"])

    def add_activity(self, instance: Instance, task: int, name: str, raw_input: str) -> None:
        """Leave an activity to be run."""
        self._connection.execute(
            "insert into activity (instance, execution, task, name, input) values (?, ?, ?, ?, ?)",
            (instance.id, instance.execution, task, name, raw_input),
        )

    def find_activities(self, limit: int) -> list[Activity]:
        """Return the activities that wait or run, those scheduled first before the others."""
        return [Activity(**row) for row in self._query("select * from activity order by id limit ?", limit)]

    def delete_activity(self, activity: Activity) -> None:
        """Delete an activity that ended."""
        self._connection.execute("delete from activity where id = ?", (activity.id,))

    def _create_tables(self, path: Path) -> None:
        with self.transaction():
            version = self._query("pragma user_version")[0][0]
            if version == 0:
                for statement in _TABLES.split(";\n"):
                    self._connection.execute(statement)
                self._connection.execute(f"pragma user_version = {_VERSION}")
            elif version != _VERSION:
                raise HostError(f"{path} was written by another version of this host: delete it")

    def _query(self, statement: str, *values: Any) -> list[sqlite3.Row]:
        with self._lock:
            return self._connection.execute(statement, values).fetchall()


def _use_wal(connection: sqlite3.Connection) -> None:
    # SQLite does not wait by itself for another host that does the same to a new file.
    deadline = time.monotonic() + _LONGEST_WAIT
    while True:
        try:
            connection.execute("pragma journal_mode = wal")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.01)
        else:
            return


def _read_instance(row: sqlite3.Row) -> Instance:
    values = dict(row)
    parent = values.pop("parent")
    return Instance(
        **{
            **values,
            "status": Status(values["status"]),
            "created": history.read_time(values["created"]),
            "updated": history.read_time(values["updated"]),
            "parent": None if parent is None else Parent(**json.loads(parent)),
        }
    )

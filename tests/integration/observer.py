"""Read the database as a stranger would: with statements of the tests' own."""

import json
import time
from decimal import Decimal
from functools import partial

from psycopg.rows import dict_row
from psycopg.types.json import set_json_loads

TABLES = ("accounts", "completed_scenarios", "user_profiles", "user_badges")


class Observer:
    """What stands in the tables, the ledger and the dead letters."""

    def __init__(self, connection):
        self.connection = connection
        set_json_loads(partial(json.loads, parse_float=Decimal), connection)

    def rows(self, table, columns="*"):
        """Return a table's rows in an order that depends on their values only."""
        with self.connection.cursor(row_factory=dict_row) as cursor:
            return sorted(cursor.execute(f"select {columns} from {table}").fetchall(), key=str)

    def tables(self):
        """Return the rows of every mapped table."""
        return {table: self.rows(table) for table in TABLES}

    def ids(self, table="accounts"):
        """Return the ids in a table."""
        return [row["id"] for row in self.rows(table, "id")]

    def ledger(self):
        """Return the ledger by document id: version, state and row key."""
        return {
            row.pop("id").strip('"'): tuple(row.values())
            for row in self.rows("cdc.document", "id, ts, lsn, etag, state, row_key")
        }

    def states(self):
        """Return the ledger's state of each document id."""
        return {id_: state for id_, (_, _, _, state, _) in self.ledger().items()}

    def letters(self):
        """Return the dead letters by document id: kind, path and ts."""
        return {
            row["id"].strip('"'): (row["kind"], row["path"], row["ts"])
            for row in self.rows("cdc.dead_letter", "id, kind, path, ts")
        }

    def tuples(self):
        """Return where every row of every table stands and which transaction wrote it."""
        return {
            table: self.rows(table, "xmin::text, ctid::text") for table in (*TABLES, "cdc.document", "cdc.dead_letter")
        }

    def empty(self):
        """Delete everything, which is faster than truncating small tables."""
        for table in (*TABLES, "cdc.document", "cdc.dead_letter"):
            self.connection.execute(f"delete from {table}")

    def wait_until_blocked(self, sessions=1):
        """Return once other sessions wait for locks."""
        waiting = (
            "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"
        )
        while self.connection.execute(waiting).fetchone()[0] < sessions:
            time.sleep(0.002)

"""PostgreSQL finds rows by their keys, whatever it knows of a table."""

import pytest

from cdc.postgres import rows
from mappers.tables import accounts, completed_scenarios


@pytest.mark.parametrize("statistics", [True, False])
@pytest.mark.parametrize("kept", [0, 1])
def test_children_that_vanished_are_found_without_reading_their_table(database, connection, statistics, kept):
    """Of 100 parents all child rows go, or all but some: no plan for that reads the other 100,000 rows."""
    connection.execute(
        "insert into completed_scenarios "
        "select 'account-' || a, 'scenario-' || s from generate_series(1, 20000) a, generate_series(1, 5) s"
    )
    if statistics:
        connection.execute("analyze completed_scenarios")
    ids = [f"account-{number}" for number in range(1, 101)]
    left = [(id_, "scenario-1") for id_ in ids[: 100 * kept]]

    with database.transaction() as writer:
        rows.write_children(writer, accounts, [(id_,) for id_ in ids], [(completed_scenarios, left)])
        found = writer.execute(
            "select seq_scan, n_tup_del from pg_stat_xact_user_tables where relname = 'completed_scenarios'"
        ).fetchone()

    assert found == (0, 500 - len(left))

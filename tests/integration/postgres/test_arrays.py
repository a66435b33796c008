"""Rows of many documents reach the server at once, and what PostgreSQL has no form for blames its document alone."""

import json
from array import array
from dataclasses import replace
from datetime import UTC, datetime
from select import select

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg.sql import SQL

from cdc.core.documents import State
from cdc.core.errors import DocumentError, FatalError, ProblemKind
from cdc.core.writes import Outcome
from cdc.postgres import arrays
from cdc.postgres.database import pipelined
from cdc.replication.batch import replicate
from mappers.accounts import ACCOUNTS
from mappers.user_profiles import USER_PROFILES
from tests.builders import a_badge, a_change, a_profile, a_version, an_account, by_column


@pytest.mark.parametrize(
    ("column", "value"),
    [
        pytest.param("display_name", "a\0b", id="NUL"),
        pytest.param("display_name", "\ud83e", id="a lone surrogate"),
        pytest.param("display_name", object(), id="an object"),
        pytest.param("created_at", "in spring", id="text for a time"),
        pytest.param("settings", {"x": object()}, id="an object in JSON"),
        pytest.param("settings", {"x": float("nan")}, id="no number in JSON"),
        pytest.param("settings", {"x": "\0"}, id="NUL in JSON"),
        pytest.param("created_at", 5, id="a number for a time"),
        pytest.param("created_at", [datetime(2026, 1, 1, tzinfo=UTC)], id="a list for a time"),
        pytest.param("created_at", [], id="an empty list for a time"),
        pytest.param("display_name", b"x", id="bytes for text"),
        pytest.param("display_name", 0, id="nought for text"),
        pytest.param("display_name", [], id="an empty list for text"),
    ],
)
def test_a_value_without_a_form_parks_its_document(sink, observer, column, value):
    """A mapper's rows may hold what neither psycopg nor PostgreSQL can write: only their document waits."""

    def spoil(account):
        rows = ACCOUNTS.rows(account)
        return replace(rows, root={**rows.root, column: value}) if account.id == "bad" else rows

    outcome = replicate(
        replace(ACCOUNTS, rows=spoil),
        [a_change("bad"), *(a_change(f"d{number}", body=an_account(f"d{number}")) for number in range(5))],
        sink,
    )

    assert outcome.applied == 5
    assert [problem.kind for problem in outcome.problems] == [ProblemKind.DATA]
    assert observer.ids() == [f"d{number}" for number in range(5)]
    assert observer.states()["bad"] == "parked"


@pytest.mark.parametrize(
    ("query", "parameters", "error"),
    [
        pytest.param("select %s", [{"planted"}], DocumentError, id="no dumper for a value"),
        pytest.param("select %s, %s", ["planted"], FatalError, id="a parameter too few"),
        pytest.param("select %(a)s", {"b": "planted"}, FatalError, id="a parameter missing"),
        pytest.param("select %(a)s, %s", ["planted"], FatalError, id="two kinds of placeholders"),
    ],
)
def test_a_statement_that_psycopg_refuses_blames_no_document(database, query, parameters, error):
    """Only a value is a document's; a statement is wrong for all of them."""
    with pytest.raises(error) as caught, database.connection() as connection:
        connection.execute(query, parameters)

    assert "planted" not in str(caught.value)


def test_rows_that_nobody_claims_give_way(sink, observer):
    """A row and a child row that stood there before us end as the document says."""
    observer.connection.execute("insert into user_profiles (id, name) values ('p', 'before')")
    observer.connection.execute("insert into user_badges values ('p', 'gone', 'x'), ('p', 'badge-1', 'x')")
    change = a_change("p", container="UserProfiles", body=a_profile("p"))

    outcome = replicate(USER_PROFILES, [change], sink)

    assert outcome == Outcome(applied=1)
    rows = by_column(USER_PROFILES, USER_PROFILES.map(change.body))
    assert observer.rows("user_profiles") == [rows.root]
    assert observer.rows("user_badges") == rows.children["user_badges"]


def test_many_versions_of_many_documents_end_alike_both_ways(sink, observer):
    """Children come, change and go for all documents of a batch at once."""
    for version, badges in enumerate([["a", "b"], ["b", "c"], [], ["d"]]):
        batch = [
            a_change(
                f"p{number}",
                container="UserProfiles",
                version=a_version(version),
                body=a_profile(f"p{number}", EarnedBadges=[a_badge(id_) for id_ in badges]),
            )
            for number in range(20)
        ]
        assert replicate(USER_PROFILES, batch, sink) == Outcome(applied=20)
        assert {row["id"] for row in observer.rows("user_badges")} == set(badges)
        assert len(observer.rows("user_badges")) == 20 * len(badges)


TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda values: st.lists(values, max_size=3) | st.dictionaries(TEXTS, values, max_size=3),
    max_leaves=6,
)
LONG = st.sampled_from([999, 1_000, 100_000])
VALUES = {
    "text": TEXTS | st.builds("é".__mul__, LONG) | st.builds("e".__mul__, LONG) | st.sampled_from(State),
    "bytea": st.binary() | st.builds(b"\0".__mul__, LONG) | st.builds(bytearray, st.binary()),
    "jsonb": JSON,
    "bigint": st.integers(-(2**63), 2**63 - 1),
    "integer": st.integers(-(2**31), 2**31 - 1),
    "double precision": st.floats(allow_nan=False) | st.integers(-(2**53), 2**53),
    "boolean": st.booleans(),
    "timestamp with time zone": st.datetimes(timezones=st.just(UTC)),
}
SHAPE = tuple((name.split()[0], name) for name in VALUES)
ROWS = st.lists(st.tuples(*(st.none() | values for values in VALUES.values())), min_size=1, max_size=5)


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=ROWS)
def test_postgres_reads_what_was_sent(connection, rows):
    """Rows arrive value by value and in order, as those that psycopg sends one by one."""
    columns = SQL(", ").join(SQL("{}").format(SQL(f"s.{name}")) for name, _ in SHAPE)
    sent = connection.execute(
        SQL("select {} from {}").format(columns, arrays.source(SHAPE)), arrays.parameters(SHAPE, rows)
    )

    alone = SQL("select {}").format(SQL(", ").join(SQL(f"%s::{type_}") for _, type_ in SHAPE))
    assert sent.fetchall() == [connection.execute(alone, _one_by_one(row)).fetchone() for row in rows]


def _one_by_one(row):
    json_place = list(VALUES).index("jsonb")
    return [
        None if value is None else json.dumps(value) if place == json_place else value
        for place, value in enumerate(row)
    ]


@pytest.mark.parametrize(
    ("type_", "value"),
    [
        *(("bytea", value) for value in (3, True, "text", [1, 2], memoryview(array("i", [1])))),
        *(("bigint", value) for value in (True, 1.0, "1", 2**63, [1])),
        *(("integer", value) for value in (False, 1.5, 2**31, -(2**31) - 1)),
        *(("double precision", value) for value in (True, "1.5", 10**400)),
        *(("boolean", value) for value in (1, 0, "true", [])),
    ],
)
def test_a_value_of_another_type_has_no_form(type_, value):
    """A number is not so many zeros, and what is true is no number."""
    with pytest.raises(DocumentError):
        arrays.parameters([("column", type_)], [(value,)])


def test_answers_arrive_without_being_waited_for(database):
    """What was asked for is there, before anybody reads it."""
    with database.transaction() as connection, pipelined(connection):
        connection.execute("select 1")

        arrived, _, _ = select([connection.fileno()], [], [], 30)

    assert arrived

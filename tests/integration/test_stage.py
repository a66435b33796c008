"""Rows of many documents reach the server at once, and what PostgreSQL has no form for blames its document alone."""

from dataclasses import replace

import pytest

from cdc.errors import DocumentError, FatalError, ProblemKind
from cdc.model import Outcome
from cdc.replicate import replicate
from mappers.accounts import ACCOUNTS
from mappers.user_profiles import USER_PROFILES
from tests.builders import a_badge, a_change, a_profile, a_version, an_account


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
    rows = USER_PROFILES.map(change.body)
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

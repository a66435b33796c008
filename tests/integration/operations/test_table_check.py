"""The tables that are there are compared with the tables that the mappers write."""

import pytest

from cdc.operations.table_check import check_tables
from cdc.replication.batch import replicate
from mappers import EXTRA_MAPPERS, MAPPERS
from mappers.accounts import ACCOUNTS
from tests.builders import a_change


@pytest.mark.parametrize("mapper", [*MAPPERS, *EXTRA_MAPPERS], ids=lambda mapper: mapper.container)
def test_our_own_tables_fit(database, mapper):
    """The migrations make what the mappers declare."""
    assert check_tables(database, mapper) == []


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("alter table accounts drop column role", "table public.accounts has no column role"),
        (
            "alter table accounts alter created_at type timestamp",
            "column created_at of table public.accounts is timestamp without time zone",
        ),
        (
            "drop index ix_accounts_lower_email; alter table accounts alter email type bytea using null",
            "column email of table public.accounts is bytea",
        ),
        ("alter table accounts alter email type char(9)", "column email of table public.accounts is character"),
        ("drop table completed_scenarios", "table public.completed_scenarios is missing"),
        (
            "alter table accounts add tenant text not null",
            "column tenant of table public.accounts must not be null",
        ),
        ("alter table accounts drop constraint accounts_pkey", "table public.accounts has the primary key ()"),
        (
            "alter table completed_scenarios drop constraint completed_scenarios_pkey, add primary key (scenario_id)",
            "table public.completed_scenarios has the primary key (scenario_id)",
        ),
    ],
    ids=lambda value: value if value.startswith(("alter", "drop")) else "",
)
def test_a_table_that_does_not_fit_is_named(database, observer, statement, words):
    """What is wrong is one sentence with table and column."""
    observer.connection.execute(statement)

    problems = check_tables(database, ACCOUNTS)

    assert [problem for problem in problems if words in problem] == problems
    assert len(problems) == 1


@pytest.mark.parametrize(
    "statement",
    [
        "alter table accounts alter email type varchar(256), alter id type varchar(36)",
        "alter table accounts add tenant text not null default 'mystira'",
        "alter table accounts add tenant text",
        "alter table accounts add number bigint not null generated always as identity",
        "alter table accounts drop column role, add role text",
    ],
)
def test_a_table_that_the_application_made_is_adopted(database, observer, sink, statement):
    """Shorter text types, more columns and another order of columns do not hinder the rows from being written."""
    observer.connection.execute(statement)

    assert check_tables(database, ACCOUNTS) == []
    assert replicate(ACCOUNTS, [a_change()], sink).applied == 1
    assert observer.ids() == ["a"]


def test_every_problem_is_named(database, observer):
    """All that is wrong comes at once, not one by one."""
    observer.connection.execute("alter table accounts drop column role, drop column email, add tenant text not null")
    observer.connection.execute("drop table completed_scenarios")

    assert len(check_tables(database, ACCOUNTS)) == 4

"""Rows that would break a rule of the cut-over are found long before."""

import pytest

from cdc.operations.cutover import check_rules
from cdc.postgres.rules import is_in_force
from cdc.postgres.statements import SQL
from cdc.replication.batch import replicate
from mappers import MAPPERS
from mappers.accounts import ACCOUNTS
from mappers.game_sessions import GAME_SESSIONS
from mappers.player_scenario_scores import PLAYER_SCENARIO_SCORES
from tests.builders import a_change, a_score, a_session, an_account

DECLARED = {rule.name for mapper in MAPPERS for rule in mapper.rules}
IN_FORCE = """
    select indexrelid::regclass::text from pg_index
    where indrelid in (select oid from pg_class where relnamespace = 'public'::regnamespace)
      and indisunique and not indisprimary
    union select conname from pg_constraint where contype = 'f' and connamespace = 'public'::regnamespace
"""


def write(sink, mapper, *bodies):
    """Replicate documents of one container; every one of them must be applied."""
    changes = [a_change(body["id"], container=mapper.container, body=body) for body in bodies]
    assert replicate(mapper, changes, sink).applied == len(bodies)


def find_broken(database):
    """Return the breaches by rule: number of rows, and ids of documents."""
    return {
        breach.rule.name: (breach.rows, sorted(identity.id for identity in breach.documents))
        for breach in check_rules(database, MAPPERS)
        if breach.rows
    }


def test_the_declared_rules_are_those_of_the_file(connection):
    """What is checked before is what the file adds later, by name."""
    connection.execute((SQL / "cutover" / "rules.sql").read_text(encoding="utf-8"))

    assert {name for (name,) in connection.execute(IN_FORCE)} == DECLARED


def test_a_rule_is_in_force_whose_parents_key_has_an_index_that_includes_more(connection):
    """The key is the same one."""
    connection.execute("alter table accounts drop constraint accounts_pkey, add primary key (id) include (email)")
    connection.execute((SQL / "cutover" / "rules.sql").read_text(encoding="utf-8"))

    assert all(is_in_force(connection, rule) for mapper in MAPPERS for rule in mapper.rules)


def test_documents_that_break_a_rule_are_named(sink, database):
    """Two accounts with one e-mail, a session without account, a score twice; their neighbours are not named."""
    write(
        sink,
        ACCOUNTS,
        an_account("a", Email="x@example.com"),
        an_account("b", Email="x@example.com"),
        an_account("c", Email="X@example.com"),
    )
    write(sink, GAME_SESSIONS, a_session("s", accountId="a"), a_session("t", accountId="gone"))
    write(
        sink,
        PLAYER_SCENARIO_SCORES,
        a_score("1", GameSessionId="s"),
        a_score("2", GameSessionId="s"),
        a_score("3", ProfileId="other", GameSessionId=""),
        a_score("4", ProfileId="third", GameSessionId="lost"),
    )

    assert find_broken(database) == {
        "ix_accounts_email": (2, ['"a"', '"b"']),
        "fk_game_sessions_accounts": (1, ['"t"']),
        "uix_player_scenario_scores_profile_scenario": (2, ['"1"', '"2"']),
        "fk_player_scenario_scores_game_sessions": (1, ['"4"']),
    }


def test_a_child_row_is_told_by_its_document(database, connection, sink):
    """A completed scenario without its account has no document; its rows are counted all the same."""
    write(sink, ACCOUNTS, an_account("a", CompletedScenarioIds=["x"]))
    connection.execute("insert into completed_scenarios values ('nobody', 'x'), ('nobody', 'y')")

    assert find_broken(database) == {"fk_completed_scenarios_accounts": (2, [])}


@pytest.mark.parametrize("documents", [0, 1])
def test_data_that_obeys_breaks_nothing(sink, database, documents):
    """Also where there is no data."""
    write(sink, ACCOUNTS, *(an_account(f"a{n}", Email=f"{n}@example.com") for n in range(documents)))

    assert find_broken(database) == {}

"""The rules of the cut-over are put on data that obeys them, and on no other."""

import pytest
from psycopg import errors

from cdc.postgres.statements import SQL
from cdc.replication.batch import replicate
from mappers.accounts import ACCOUNTS
from mappers.game_sessions import GAME_SESSIONS
from mappers.player_scenario_scores import PLAYER_SCENARIO_SCORES
from mappers.user_profiles import USER_PROFILES
from tests.builders import a_change, a_profile, a_score, a_session, an_account

RULES = (SQL / "cutover" / "rules.sql").read_text(encoding="utf-8")
COUNT = """
    select count(*) from pg_index where indrelid::regclass::text = any(%(tables)s) and indisunique and not indisprimary
    union all select count(*) from pg_constraint where conrelid::regclass::text = any(%(tables)s) and contype = 'f'
"""
TABLES = ["accounts", "completed_scenarios", "user_profiles", "user_badges", "game_sessions", "player_scenario_scores"]


def write(sink, mapper, *bodies):
    """Replicate documents of one container; every one of them must be applied."""
    changes = [a_change(body["id"], container=mapper.container, body=body) for body in bodies]
    assert replicate(mapper, changes, sink).applied == len(bodies)


@pytest.fixture
def family(sink):
    """An account with a profile, a session and a score, all of which obey the rules."""
    write(sink, ACCOUNTS, an_account("a"))
    write(sink, USER_PROFILES, a_profile("p"))
    write(sink, GAME_SESSIONS, a_session("s", accountId="a", ProfileId="p"))
    write(sink, PLAYER_SCENARIO_SCORES, a_score("1"), a_score("2", ProfileId="q", GameSessionId=""))


def count_rules(connection):
    """Count the unique rules and the foreign keys of the mapped tables."""
    return sum(number for (number,) in connection.execute(COUNT, {"tables": TABLES}))


def test_before_the_cutover_there_is_no_rule(connection):
    """The migrations never add what Cosmos does not keep."""
    assert count_rules(connection) == 0


@pytest.mark.usefixtures("family")
def test_data_that_obeys_gets_every_rule(connection):
    """Two unique rules and four foreign keys, which then do what they say."""
    connection.execute(RULES)

    assert count_rules(connection) == 6
    with pytest.raises(errors.UniqueViolation):
        connection.execute("insert into accounts (id, email) select 'b', email from accounts")
    with pytest.raises(errors.ForeignKeyViolation):
        connection.execute("insert into game_sessions (id, scenario_id, account_id) values ('t', 's', 'nobody')")
    connection.execute("delete from accounts")
    assert connection.execute("select count(*) from game_sessions").fetchone() == (0,)
    assert connection.execute("select count(*) from completed_scenarios").fetchone() == (0,)
    assert connection.execute("select game_session_id from player_scenario_scores where id = '1'").fetchone() == (None,)


@pytest.mark.usefixtures("family")
@pytest.mark.parametrize(
    ("mapper", "body", "rule"),
    [
        (ACCOUNTS, an_account("b"), "ix_accounts_email"),
        (PLAYER_SCENARIO_SCORES, a_score("3"), "uix_player_scenario_scores_profile_scenario"),
        (GAME_SESSIONS, a_session("t", accountId="nobody"), "fk_game_sessions_accounts"),
        (
            PLAYER_SCENARIO_SCORES,
            a_score("3", ProfileId="r", GameSessionId="none"),
            "fk_player_scenario_scores_game_sessions",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_data_that_does_not_obey_is_refused_whole(sink, connection, mapper, body, rule):
    """The error names the rule, and no rule stays behind; once the data is mended the file can be run again."""
    write(sink, mapper, body)

    with pytest.raises((errors.UniqueViolation, errors.ForeignKeyViolation)) as refusal:
        connection.execute(RULES)
    connection.execute("rollback")

    assert refusal.value.diag.constraint_name == rule
    assert count_rules(connection) == 0
    connection.execute(f"delete from {mapper.tables[0].name} where id = %s", [body["id"]])
    if mapper is ACCOUNTS:
        connection.execute("delete from completed_scenarios where account_id = 'b'")
    connection.execute(RULES)
    assert count_rules(connection) == 6

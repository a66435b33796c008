"""Every look-up of the application is served by an index before the application reads here."""

import pytest

from cdc.operations.lookups import find_unserved
from mappers import EXTRA_MAPPERS, MAPPERS

ALL = (*MAPPERS, *EXTRA_MAPPERS)
LOOKUPS = [lookup for mapper in ALL for lookup in mapper.lookups]
ROWS = 100_000
FILL = f"""
insert into accounts (id, email, external_user_id) select i, 'A' || i || '@example.com', 'x' || i
    from generate_series(1, {ROWS}) i;
insert into completed_scenarios select i % 50000, 's' || i from generate_series(1, {ROWS}) i;
insert into user_profiles (id, account_id, name, is_guest, is_npc, preferred_themes, has_completed_onboarding)
    select i, i % 50000, 'n' || i, false, false, '[]', true from generate_series(1, {ROWS}) i;
insert into user_badges (user_profile_id, id, badge_configuration_id, game_session_id, scenario_id)
    select i % 50000, i, 'b', 's' || i, 'c' || i % 1000 from generate_series(1, {ROWS}) i;
insert into game_sessions (id, scenario_id, account_id, profile_id, status, player_names)
    select i, 'c', i % 50000, 'p' || i, case when i % 500 = 0 then 'InProgress' else 'Completed' end,
           jsonb_build_array('p' || i)
    from generate_series(1, {ROWS}) i;
insert into player_scenario_scores (id, profile_id, scenario_id, game_session_id)
    select i, i % 50000, 'c' || i, 's' || i from generate_series(1, {ROWS}) i;
insert into pending_signups (id, email, expires_at)
    select i, 'a' || i, now() + interval '1 hour' from generate_series(1, {ROWS}) i;
analyze
"""


def explain(connection, lookup):
    """Return the plan of a look-up as text."""
    return str(connection.execute(f"explain select * from {lookup.table} where {lookup.condition}").fetchall())


def test_after_the_migrations_every_look_up_is_served(database):
    """Also in empty tables, where PostgreSQL would rather read the whole table."""
    assert find_unserved(database, ALL) == []


def test_no_look_up_waits_for_a_rule_of_the_cut_over():
    """An index that serves a look-up has a name that no rule has."""
    rules = {rule.name for mapper in ALL for rule in mapper.rules}

    assert rules
    assert not rules & {lookup.index for lookup in LOOKUPS}


def test_the_planner_takes_the_indexes_of_a_large_table(connection):
    """With a hundred thousand rows in each table, no look-up reads a whole table."""
    connection.execute(FILL)

    slow = [
        lookup.condition
        for lookup in LOOKUPS
        if "Seq Scan"
        in str(connection.execute(f"explain select * from {lookup.table} where {lookup.condition}").fetchall())
    ]

    assert slow == []


@pytest.mark.parametrize(
    ("statement", "lookup"),
    [
        ("drop index ix_accounts_lower_email", "lower(email) = ''"),
        # An index on the e-mail as it was typed does not serve a comparison in lower case.
        ("drop index ix_accounts_lower_email; create index on accounts (email)", "lower(email) = ''"),
        # An index that only begins with another column would be read whole.
        ("drop index ix_user_profiles_name; create index on user_profiles (account_id, name)", "name = ''"),
        (
            "update pg_index set indisvalid = false where indexrelid::regclass::text = 'ix_user_badges_scenario_id'",
            "scenario_id = ''",
        ),
        ("drop index ix_game_sessions_profile_id", "profile_id = '' or player_names ? ''"),
    ],
)
def test_a_look_up_that_no_index_serves_is_named(database, connection, statement, lookup):
    """The sentence has the look-up and the statement that helps."""
    connection.execute(statement)

    (problem,) = find_unserved(database, ALL)

    assert lookup in problem
    assert "create index concurrently" in problem


def test_an_index_of_the_applications_own_serves_as_well(database, connection):
    """What counts is whether an index fits, not its name."""
    connection.execute("drop index ix_accounts_lower_email; create index theirs on accounts (lower(email), created_at)")

    assert find_unserved(database, ALL) == []

"""Documents as other writers leave them, through the real host: what is stored, what is parked, what is counted."""

import json
from collections.abc import Mapping

import psycopg
from psycopg.types.json import set_json_loads

from local.operator import Operator
from local.oracle.json_columns import read_json
from local.sample import Source
from local.stack import Part
from tests.builders import a_profile, a_session, an_account
from tests.e2e.conftest import Query, is_equal, wait_until

MARKER = "lerato-4711"
EXACT = '{"v":0.1234567890123456789012345678,"tiny":1e-400,"big":1e400}'
EXACT_AND_SECRET = EXACT.replace("}", f',"refresh_token":"{MARKER}"}}')
ESCAPED = "GameSession|a^2Fb^5Cc^3Fd^23e^|f"
SESSIONS = (
    a_session("exact", CompassValues=EXACT, PlayerCompassProgressTotals=json.dumps(EXACT_AND_SECRET)),
    a_session(ESCAPED),
    a_session(f"{ESCAPED}2", Id="a/b\\c?d#e|f2"),
    a_session(
        "secrets",
        ChoiceHistory=[{"ChoiceText": "x", "PasswordHash": MARKER, "Json": json.dumps([{"Code": MARKER}])}],
        CharacterAssignments=[{"PlayerAssignment": {"parentalControlPinHash": MARKER, "RefreshTokenHash": MARKER}}],
    ),
)
ACCOUNTS = (
    an_account("optional", displayName="Thandi") | {"DisplayName": None},
    an_account("deleted", **{"$type": 5}, IsDeleted=True, Id=[]),
    {"id": "required", "$type": "Account", "email": "a@example.com"},
    an_account("mark", isDeleted=True),
    an_account("offset", CreatedAt="2025-12-14T08:02:11+01:60"),
    an_account("inner", Subscription={"EndDate": "2025-12-14T08:02:11+15:00"}),
)


def test_documents_of_other_writers(
    source: Source, host: Part, operator: Operator, query: Query, settings: Mapping[str, str]
) -> None:
    """Each kind once: unreadable deletes, other spellings, odd times, escaped keys, secrets, long numbers."""
    for id_ in ("deleted", "mark"):
        source.write("Accounts", an_account(id_))
    wait_until(lambda: len(query("select from accounts")) == 2, "the first versions are there")
    for session in SESSIONS:
        source.write("GameSessions", session)
    for account in ACCOUNTS:
        source.write("Accounts", account)
    source.write("UserProfiles", a_profile("p", accountId="other", passwordHash=MARKER))
    wait_until(lambda: is_equal(settings), "both sides are equal")

    assert query("select id from accounts order by id") == [("mark",), ("optional",)]
    letters = operator.ask("GET", "dead-letters")[1]["items"]
    assert sorted((letter["kind"], letter["path"]) for letter in letters) == [
        ("mapping", "$.CreatedAt"),
        ("mapping", "$.Email"),
        ("mapping", "$.IsDeleted"),
        ("mapping", "$.Subscription.EndDate"),
    ]
    assert query("select container, path from cdc.observation where kind = 'spelling' order by 1") == [
        ("Accounts", "$.DisplayName"),
        ("UserProfiles", "$.AccountId"),
    ]
    assert not query("select from cdc.observation where path = '$.id'")
    ids = [id_ for (id_,) in query("select id from game_sessions")]
    assert sorted(ids) == ["a/b\\c?d#e|f", "a/b\\c?d#e|f2", "exact", "secrets"]
    assert _read_exact(settings) == (read_json(EXACT), read_json(EXACT))
    for table in ("accounts", "game_sessions", "user_profiles"):
        assert not query(f"select from {table} t where t::text like %s", f"%{MARKER}%")


def _read_exact(settings: Mapping[str, str]) -> object:
    columns = "compass_values, player_compass_progress_totals"
    with psycopg.connect(settings["POSTGRES_CONNECTION"]) as connection:
        set_json_loads(read_json, connection)
        return connection.execute(f"select {columns} from game_sessions where id = 'exact'").fetchone()

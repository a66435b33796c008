"""What a JSON column stores: every digit as it was written, and no secret."""

import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cdc.core.writes import map_change
from mappers.conventions import MYSTIRA
from mappers.game_sessions import GAME_SESSIONS
from tests.builders import a_change, a_session

EXACT = '{"v":0.1234567890123456789012345678,"tiny":1e-400,"big":1e400,"whole":1.500,"long":1' + "0" * 5_000 + "}"
MARKER = "lerato-4711"
SPELLINGS = (
    str,
    str.lower,
    str.upper,
    lambda name: name[0].lower() + name[1:],
    lambda name: "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name).lstrip("_"),
)
JSON_COLUMNS = {
    "ChoiceHistory": "choice_history",
    "EchoHistory": "echo_history",
    "Achievements": "achievements",
    "CharacterAssignments": "character_assignments",
    "CompassValues": "compass_values",
    "PlayerCompassProgressTotals": "player_compass_progress_totals",
}
secret_names = st.builds(
    lambda spell, name: spell(name),
    st.sampled_from(SPELLINGS),
    st.sampled_from([*sorted(MYSTIRA.secrets.names), "RefreshTokenHash", "RefreshTokenIssuedAt"]),
)
public_names = st.text(max_size=5).filter(
    lambda name: not name.lower().replace("_", "").startswith(("code", "refresh"))
)
numbers = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
scalars = st.none() | st.booleans() | numbers | st.text(st.characters(exclude_categories=["Cs"]), max_size=8)


def values(names):
    """Return JSON values whose objects have these names, and texts that are JSON of the same kind."""
    return st.recursive(
        scalars,
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(names, inner, max_size=3)
            | st.builds(json.dumps, st.lists(inner, max_size=2) | st.dictionaries(names, inner, max_size=2))
        ),
        max_leaves=8,
    )


def map_column(name, value):
    """Return the problem of a session with this value, and the text that its column stores."""
    write = map_change(GAME_SESSIONS, a_change(container="GameSessions", body=a_session(**{name: value})))
    if write.problem is not None:
        return write.problem, None
    columns = GAME_SESSIONS.tables[0].columns.keys()
    return None, write.rows.root[columns.index(JSON_COLUMNS[name])].text.decode()


@pytest.mark.parametrize("text", [EXACT, f" [ {EXACT} ]", EXACT.replace("{", '{"name":"Zoë \\"\\u00e9\\"",')])
@pytest.mark.parametrize("name", ["CompassValues", "PlayerCompassProgressTotals"])
def test_json_in_a_string_is_stored_as_it_is_written(name, text):
    """It never was a binary number: no digit is cut, and neither tiny nor great numbers are lost."""
    assert map_column(name, text) == (None, text)
    assert map_column(name, json.dumps(text)) == (None, text)


def test_what_remains_beside_a_secret_keeps_its_digits():
    """The column is written anew, but not its numbers."""
    text = EXACT.replace("{", '{ "PasswordHash": {"a": 1},', 1)

    assert map_column("CompassValues", text) == (None, EXACT)


def test_texts_that_are_json_keep_their_digits_beside_a_secret():
    """A text inside JSON may be JSON as well."""
    inner = '[{"Delta": 0.10, "refresh_token": "x"}]'

    _, text = map_column("ChoiceHistory", [{"CompassChangesJson": inner, "Delta": 0.1}])

    assert text == '[{"CompassChangesJson":"[{\\"Delta\\":0.10}]","Delta":0.1}]'


@given(name=st.sampled_from(sorted(JSON_COLUMNS)), secret=secret_names, value=values(public_names | secret_names))
def test_a_secret_is_never_stored(name, secret, value):
    """Whatever its spelling, and however deep it stands, also in a text that is JSON."""
    planted = [{"a": [{secret: MARKER}], secret: [{"b": MARKER}]}, value, json.dumps({"c": {secret: MARKER}})]

    problem, text = map_column(name, planted)
    _, in_a_string = map_column("CompassValues", json.dumps(planted))

    assert MARKER not in (text or "") + (in_a_string or "")
    if problem is None:
        assert text == in_a_string
        assert json.loads(text)[0] == {"a": [{}]}


@given(value=st.lists(values(public_names), max_size=4))
def test_what_is_no_secret_is_stored(value):
    """Nothing else is left out or changed."""
    problem, text = map_column("ChoiceHistory", value)

    assert ("\\u0000" in json.dumps(value)) if problem else json.loads(text) == value


@pytest.mark.parametrize(
    ("name", "levels"),
    [("ChoiceHistory", 255), ("CompassValues", 255), ("CompassValues", 900), ("CompassValues", 10**5)],
)
def test_the_limit_of_nesting_is_said(name, levels):
    """What is nested deeper than anything can be written is parked with the limit, in a string or not."""
    text = "[" * levels + "1" + "]" * levels

    problem, _ = map_column(name, text if name == "CompassValues" else json.loads(text))

    assert (problem.path, problem.message) == (f"$.{name}", "must not be nested more than 254 levels deep")


def test_numbers_of_real_json_are_as_cosmos_holds_them():
    """They are doubles there; a whole number is written in full."""
    _, text = map_column("ChoiceHistory", [0.1, 1e23, 1e-7, -0.0, 2**70, 6.0])

    assert json.loads(text, parse_float=Decimal) == [Decimal("0.1"), 10**23, Decimal("1e-7"), 0, 2**70, 6]

"""What a refused document runs into is named, as far as it is ours to name."""

import random
import string

import pytest

from cdc.replication.batch import replicate
from mappers.accounts import ACCOUNTS
from tests.builders import a_change, an_account

TOO_LONG = "a value is too long for PostgreSQL, or for an index (54000)"


def a_text(length):
    """Return a text that cannot be compressed."""
    return "".join(random.Random(0).choices(string.ascii_letters + string.digits, k=length))


@pytest.mark.parametrize("length", [4_000, 10_000, 100_000])
@pytest.mark.parametrize(
    ("index", "overrides"),
    [
        ("ix_accounts_external_user_id", lambda text: {"ExternalUserId": text}),
        ("ix_accounts_lower_email", lambda text: {"Email": f"{text}@example.com"}),
        ("completed_scenarios_pkey", lambda text: {"CompletedScenarioIds": [text]}),
    ],
    ids=["a column", "an expression", "a child table"],
)
def test_a_value_that_is_too_long_for_its_index_is_parked_with_the_index(
    sink, observer, connection, length, index, overrides
):
    """PostgreSQL names the index only of values that are not much too long."""
    connection.execute("drop index ix_completed_scenarios_scenario_id")
    bad = a_change("bad", body=an_account("bad", DisplayName=a_text(100_000), **overrides(a_text(length))))

    outcome = replicate(ACCOUNTS, [a_change("a"), bad, a_change("c")], sink)

    assert (outcome.applied, outcome.parked) == (2, 1)
    found = observer.rows("cdc.dead_letter", "kind, path, message")
    assert found == [{"kind": "data", "path": index, "message": TOO_LONG}]

"""The status counts what the database holds."""

from cdc.operations.counts import PostgresCounts
from cdc.operations.status import describe_container
from cdc.replication.batch import replicate
from mappers.accounts import ACCOUNTS
from mappers.user_profiles import USER_PROFILES
from tests.builders import TS, a_change, a_profile, a_version, an_account


def test_status_counts_documents_and_letters(database, sink):
    """Documents by state, the newest ts, and letters by kind, for each container."""
    batch = [
        a_change("a"),
        a_change("b", version=a_version(9)),
        a_change("c", version=a_version(5, lsn=1)),
        a_change("d", body=an_account(Email=None)),
        a_change("e", body=None),
    ]
    replicate(ACCOUNTS, batch, sink)
    replicate(ACCOUNTS, [a_change("c", version=a_version(5))], sink)
    replicate(USER_PROFILES, [a_change("p", container="UserProfiles", body=a_profile())], sink)

    counts = PostgresCounts(database)
    documents, letters = counts.count_documents(), counts.count_letters()
    accounts, profiles = (
        describe_container(name, documents, letters).model_dump() for name in ("Accounts", "UserProfiles")
    )

    assert accounts["documents"] == {"applied": 3, "parked": 1, "deleted": 1, "unmapped": 0}
    assert accounts["newest_ts"] == TS + 9
    assert sorted(letter["kind"] for letter in accounts["dead_letters"]) == ["mapping", "undecided"]
    assert all(letter["documents"] == 1 and letter["state"] == "waiting" for letter in accounts["dead_letters"])
    assert profiles["documents"] == {"applied": 1, "parked": 0, "deleted": 0, "unmapped": 0}
    assert profiles["dead_letters"] == []

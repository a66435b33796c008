"""Documents of several types that change type, claim each other's rows and swap them: every row has its document."""

from hypothesis import given
from hypothesis import strategies as st

from cdc.core.documents import Reading
from cdc.core.writes import map_change
from cdc.reconcile.tables_side import PostgresTablesSide
from cdc.repair.reread import repair_document
from cdc.repair.store import PostgresRereadStore
from cdc.replication.batch import replicate
from tests.integration.replication.test_types import KINDS, SHOP, TABLES, a_document, shop
from tests.integration.test_convergence import REAL_DATABASE

__all__ = ["shop"]

# Which document becomes what, under which key of its row.
STEPS = st.lists(
    st.tuples(st.integers(0, 3), st.sampled_from(sorted(KINDS)), st.sampled_from("xyz")), min_size=3, max_size=14
)
ROUNDS = 6


class Source:
    """The newest versions."""

    def __init__(self, changes):
        self.newest = {change.identity: change for change in changes}

    def read_document(self, identity):
        """Return a document as it is now."""
        change = self.newest[identity]
        version = change.version
        system = {"_ts": version.ts, "_etag": version.etag}
        return Reading(None if change.body is None else change.body | system, version.ts + 5)


@REAL_DATABASE
@given(steps=STEPS, randomness=st.randoms(use_true_random=False))
def test_every_row_belongs_to_the_document_that_holds_it(shop, sink, database, steps, randomness):
    """After each batch and each repair, in whatever order they come; in the end only those wait whose row is taken."""
    for table in (*TABLES, "cdc.document", "cdc.dead_letter"):
        shop.connection.execute(f"delete from {table}")
    changes = [
        a_document(f"d{number}", ts, properties and properties | {"id": key})
        for ts, (number, kind, key) in enumerate(steps, 1)
        for properties in [KINDS[kind](ts)]
    ]
    deliveries = [*changes, *randomness.choices(changes, k=2)]
    randomness.shuffle(deliveries)
    side, source = PostgresTablesSide(database, SHOP), Source(changes)
    store = PostgresRereadStore(database, backoff_seconds=60, settle_seconds=0)

    while deliveries:
        size = randomness.randint(1, 6)
        replicate(SHOP, deliveries[:size], sink)
        deliveries = deliveries[size:]
        assert (side.find_lost(9), side.find_unclaimed(9)) == ([], [])
    for _ in range(ROUNDS):
        for id_ in shop.letters():
            repair_document(SHOP, a_document(id_, 1, None).identity, source, store)
            assert (side.find_lost(9), side.find_unclaimed(9)) == ([], [])

    writes = [map_change(SHOP, change) for change in source.newest.values()]
    states = shop.states()
    applied = [each for each in writes if states[each.change.identity.id.strip('"')] == "applied"]
    assert side.find_different(applied) == (len(applied), [])
    wanted = {each.rows.root[0] + each.rows.root_name for each in writes if each.rows.root is not None}
    held = {row["row_key"][2:-2] + row["row_table"] for row in shop.rows("cdc.document") if row["row_key"] is not None}
    assert wanted <= held

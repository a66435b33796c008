"""Documents that no mapper took, by type."""

from collections.abc import Collection, Mapping

from cdc.core.mapping import OTHER_TYPE
from cdc.operations.counts import LedgerCount
from cdc.reconcile.report import UnmappedType


class UnmappedStatus(UnmappedType):
    """Documents of one type that no mapper took; if a mapper takes it now, a backfill with `reapply` applies them."""

    container: str
    has_mapper: bool

    def describe(self) -> str:
        """Return it as one sentence."""
        type_ = "types that are not named" if self.type == OTHER_TYPE else f"type {self.type}"
        if self.has_mapper:
            return (
                f"unmapped documents of {type_}: {self.documents}; a mapper takes them now: run a backfill with reapply"
            )
        return f"unmapped documents of {type_}: {self.documents}; no mapper takes them"


def list_unmapped(ledger: LedgerCount | None, types: Mapping[str, Collection[str]]) -> list[UnmappedStatus]:
    """Return the unmapped documents of these containers; `types` has what their mappers take."""
    return [
        UnmappedStatus(
            container=count.container,
            type=count.unmapped_type,
            documents=count.documents,
            has_mapper=count.unmapped_type in types[count.container],
        )
        for count in (() if ledger is None else ledger.counts)
        if count.unmapped_type is not None and count.container in types
    ]

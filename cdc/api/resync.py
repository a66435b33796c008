"""Read one document again now, when a reader did not find it in PostgreSQL."""

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from cdc.api.answers import RequestModel, say
from cdc.core.documents import Identity, State
from cdc.core.errors import RequestError, TransientError, UnknownError
from cdc.core.fingerprints import fingerprint
from cdc.core.mapping import Mapper
from cdc.core.source_container import SourceContainer
from cdc.repair.reread import DocumentSource, Ending, Note, RereadStore, repair_document

_TRIES = 3
_IDS = "must be text of 1 to 1023 characters"
_KEYS = "must be a string, a number, true, false, null, {} if the document has none, or a list of these"


class Undefined(RequestModel):
    """`{}`: the document has no partition key."""


_Value = str | bool | Annotated[float, Field(allow_inf_nan=False)] | Undefined | None
_Values = Annotated[list[_Value], Field(min_length=1, max_length=3)]
_Id = Annotated[str, Field(min_length=1, max_length=1023), say(_IDS)]


class ResyncRequest(RequestModel):
    """Which document to read: its id and its partition key in their JSON types."""

    id: _Id
    partition_key: Annotated[_Value | _Values, say(_KEYS)]

    def raw_key(self) -> object:
        """Return the partition key as a JSON value."""
        dumped: dict[str, object] = self.model_dump()
        return dumped["partition_key"]


class Result(StrEnum):
    """The result of a resync."""

    APPLIED = "applied"
    ALREADY_APPLIED = "already_applied"
    DELETED = "deleted"
    PARKED = "parked"
    UNMAPPED = "unmapped"
    ABSENT = "absent"
    TO_BE_CONFIRMED = "to_be_confirmed"
    UNREADABLE = "unreadable"


_MESSAGES = {
    Result.APPLIED: "The rows now match the document.",
    Result.ALREADY_APPLIED: "The ledger already had this version; its rows were written again.",
    Result.DELETED: "The document is gone; its rows were deleted.",
    Result.PARKED: "The document cannot be applied; its dead letter says why.",
    Result.UNMAPPED: "No mapper takes the type of the document; it has no rows.",
    Result.ABSENT: "There is no document with this id and this partition key.",
    Result.TO_BE_CONFIRMED: "Cosmos says that the document is gone or older than its rows. It is read again "
    "automatically after the settle time, and applied if the answer is the same. Until then the rows stay.",
    Result.UNREADABLE: "Cosmos answers, but it does not give this document: its rows stay. Read it in the portal; if "
    "that fails too, write or delete it there.",
}
_RESULTS = {
    Ending.DELETED: Result.DELETED,
    Ending.PARKED: Result.PARKED,
    Ending.UNMAPPED: Result.UNMAPPED,
    Ending.ABSENT: Result.ABSENT,
    Ending.DOUBTED: Result.TO_BE_CONFIRMED,
    Ending.UNREADABLE: Result.UNREADABLE,
}


class Resynced(BaseModel):
    """The result of a resync; `document` is a fingerprint."""

    model_config = ConfigDict(extra="forbid")

    document: str
    result: Result
    message: str


class Resync:
    """Read one document again and apply the source's current version."""

    def __init__(
        self,
        mappers: Mapping[str, Mapper[Any]],
        confirm: Callable[[str], SourceContainer],
        source: DocumentSource,
        repairs: RereadStore,
        identity_key: str,
    ) -> None:
        self._mappers = mappers
        self._confirm = confirm
        self._source = source
        self._repairs = repairs
        self._identity_key = identity_key

    def resync(self, container: str, request: ResyncRequest) -> Resynced:
        """Read one document again; raise TransientError if other writers keep changing it."""
        mapper = self._mappers.get(container)
        if mapper is None:
            raise UnknownError.of_container(self._mappers)
        key = request.raw_key()
        _check_levels(key, self._confirm(container).partition_key_paths)
        identity = Identity.of(container, key, request.id)
        result = self._read(mapper, identity)
        name = fingerprint(identity.key, self._identity_key)
        return Resynced(document=name, result=result, message=_MESSAGES[result])

    def _read(self, mapper: Mapper[Any], identity: Identity) -> Result:
        for _ in range(_TRIES):
            before = self._repairs.note([identity])[identity]
            ending = repair_document(mapper, identity, self._source, self._repairs)
            if ending is Ending.APPLIED:
                after = self._repairs.note([identity])[identity]
                return Result.ALREADY_APPLIED if _same(before, after) else Result.APPLIED
            if ending is not Ending.OVERTAKEN:
                return _RESULTS[ending]
        raise TransientError("The document changes while it is read: try again.")


def _same(before: Note, after: Note) -> bool:
    held = before.held
    return held is not None and held.state is State.APPLIED and held == after.held


def _check_levels(key: object, paths: tuple[str, ...]) -> None:
    levels = len(key) if isinstance(key, list) else 1
    if levels != len(paths) or isinstance(key, list) != (len(paths) > 1):
        expected = "one value" if len(paths) == 1 else f"a list of {len(paths)} values"
        field = ("partition_key", f"must be {expected}: the container's paths are {', '.join(paths)}")
        raise RequestError("The request body is invalid.", [field])

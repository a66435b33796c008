"""Dead letters over HTTP: list, replay, discard."""

from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from typing import Annotated, Protocol

from pydantic import BaseModel, ConfigDict, Field

from cdc.api.answers import ContainerName, RequestModel, Token, cut_page, read_number
from cdc.core.errors import ConflictError, ProblemKind, UnknownError
from cdc.core.fingerprints import fingerprint
from cdc.operations.pauses import PauseStatus
from cdc.repair.letters import Choice, Letter, LetterState


class Letters(Protocol):
    """Keeps dead letters."""

    def list(self, choice: Choice, after: int, limit: int) -> Sequence[Letter]:
        """Return the first letters with a greater number than `after`."""
        ...

    def replay(self, choice: Choice) -> int:
        """Make letters due now and return how many matched."""
        ...

    def discard(self, number: int) -> bool:
        """Stop automatic retries of a letter; return whether that was possible."""
        ...


class LetterQuery(RequestModel):
    """Which dead letters to list."""

    container: ContainerName | None = None
    kind: ProblemKind | None = None
    state: LetterState | None = None
    after: Token = "0"
    limit: Annotated[int, Field(ge=1, le=200)] = 50


class ReplayRequest(RequestModel):
    """Which dead letters to read again: all that are not discarded, or only those of a container or a kind."""

    container: ContainerName | None = None
    kind: Annotated[ProblemKind | None, Field(strict=False)] = None


class LetterItem(BaseModel):
    """A dead letter without its document's identity; `document` is its fingerprint, the same in all answers."""

    model_config = ConfigDict(extra="forbid")

    id: int
    document: str
    container: str
    kind: ProblemKind
    path: str
    message: str
    state: LetterState
    attempts: int
    parked_at: datetime
    next_attempt_at: datetime | None


class LetterPage(BaseModel):
    """A page of dead letters; `next` is the `after` of the next page. The letters of `paused` containers rest."""

    model_config = ConfigDict(extra="forbid")

    items: list[LetterItem]
    next: str | None
    paused: list[PauseStatus]


class Replayed(BaseModel):
    """How many dead letters are due now."""

    model_config = ConfigDict(extra="forbid")

    due: int


class Discarded(BaseModel):
    """A dead letter that is not read again automatically."""

    model_config = ConfigDict(extra="forbid")

    id: int
    state: LetterState


class DeadLetters:
    """List, replay and discard dead letters; no answer contains a document's identity."""

    def __init__(
        self,
        letters: Letters,
        containers: Collection[str],
        identity_key: str,
        list_paused: Callable[[], Sequence[PauseStatus]] = list,
    ) -> None:
        self._letters = letters
        self._containers = containers
        self._identity_key = identity_key
        self._list_paused = list_paused

    def list(self, query: LetterQuery) -> LetterPage:
        """Return a page of letters."""
        self._check_container(query.container)
        choice = Choice(query.container, query.kind, query.state)
        found = self._letters.list(choice, int(query.after), query.limit + 1)
        page, following = cut_page(found, query.limit, lambda letter: letter.number)
        paused = [each for each in self._list_paused() if query.container in (None, each.container)]
        return LetterPage(items=[self._describe(letter) for letter in page], next=following, paused=paused)

    def replay_all(self, request: ReplayRequest) -> Replayed:
        """Make the matching letters due; the timer reads their documents again."""
        self._check_container(request.container)
        return Replayed(due=self._letters.replay(Choice(request.container, request.kind)))

    def replay(self, id_: str) -> Replayed:
        """Make one letter due, even a discarded one; the timer reads its document again."""
        due = self._letters.replay(Choice(number=_read_number(id_)))
        if not due:
            raise _unknown()
        return Replayed(due=due)

    def discard(self, id_: str) -> Discarded:
        """Stop automatic retries of one letter; the next version of its document still replaces it."""
        number = _read_number(id_)
        if not self._letters.discard(number):
            self.find(id_)
            raise ConflictError(
                "This letter is a change that is not in PostgreSQL yet: it is read again and removed automatically."
            )
        return Discarded(id=number, state=LetterState.DISCARDED)

    def find(self, id_: str) -> Letter:
        """Return one letter with its document's identity; only for people with access to the database."""
        found = self._letters.list(Choice(number=_read_number(id_)), 0, 1)
        if not found:
            raise _unknown()
        return found[0]

    def _check_container(self, container: str | None) -> None:
        """Refuse an unknown container: an empty list would look as if nothing was parked."""
        if container is not None and container not in self._containers:
            raise UnknownError.of_container(self._containers)

    def _describe(self, letter: Letter) -> LetterItem:
        return LetterItem(
            id=letter.number,
            document=fingerprint(letter.identity.key, self._identity_key),
            container=letter.identity.container,
            kind=letter.kind,
            path=letter.path,
            message=letter.message,
            state=letter.state,
            attempts=letter.attempts,
            parked_at=letter.parked_at,
            next_attempt_at=letter.next_attempt_at,
        )


def _read_number(id_: str) -> int:
    number = read_number(id_)
    if number is None:
        raise _unknown()
    return number


def _unknown() -> UnknownError:
    return UnknownError("There is no such dead letter: its document was applied, or the id is wrong.")

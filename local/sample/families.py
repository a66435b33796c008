"""Families who play: their documents, and what becomes of them."""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field

from local.sample.accounts import change_account, make_account
from local.sample.profiles import change_profile, make_profile
from local.sample.scores import change_score, make_score
from local.sample.sessions import change_session, make_session
from local.sample.signups import change_signup, make_signup
from local.sample.values import GENERATIONS, Document, Generation, Values, key_of

CONTAINERS = ("Accounts", "UserProfiles", "GameSessions", "PlayerScenarioScores")
_MIX: Mapping[Generation, float] = {"A": 10, "B": 10, "C": 45, "D": 35}
_CHANGES: Mapping[str, Callable[[Values, Document], None]] = {
    "Accounts": change_account,
    "UserProfiles": change_profile,
    "GameSessions": change_session,
    "PlayerScenarioScores": change_score,
    "PendingSignups": change_signup,
}


@dataclass
class Sample:
    """Documents of families: an account has profiles, which play and score, and all of them change later.

    `containers` is which ones to write; `mix` is how often an account is of each generation. Whatever else belongs to
    the account is of its generation or a later one.
    """

    seed: int
    containers: Collection[str] = CONTAINERS
    mix: Mapping[Generation, float] = field(default_factory=lambda: _MIX)
    documents: list[tuple[str, Document]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._values = Values(self.seed)
        self._random = self._values.random

    def create(self, count: int) -> Iterator[tuple[str, Document]]:
        """Yield `count` new documents with their containers."""
        while count > 0:
            family = [member for member in self._family() if member[0] in self.containers]
            for container, document in family[:count]:
                self.documents.append((container, document))
                yield container, document
                count -= 1

    def change(self) -> tuple[str, Document]:
        """Change one of the documents and return it whole."""
        container, document = self._random.choice(self.documents)
        _CHANGES[container](self._values, document)
        return container, document

    def delete(self) -> tuple[str, Document]:
        """Choose a document to delete and return it; it is never changed again."""
        number = self._random.randrange(len(self.documents))
        self.documents[number], self.documents[-1] = self.documents[-1], self.documents[number]
        return self.documents.pop()

    def poison(self) -> tuple[str, Document]:
        """Return an account whose creation time is no time."""
        account = make_account(self._values, "C")
        return "Accounts", account | {"CreatedAt": "the day before yesterday"}

    def _family(self) -> Iterator[tuple[str, Document]]:
        (first,) = self._random.choices(GENERATIONS, [self.mix.get(generation, 0) for generation in GENERATIONS])
        account = make_account(self._values, first)
        account_id = key_of(account)
        profiles = [
            make_profile(self._values, self._generation(first), account_id) for _ in range(self._random.randint(1, 3))
        ]
        ids = [key_of(profile) for profile in profiles]
        account["UserProfileIds"] = ",".join(ids) if self._values.chance(0.9) else ""
        yield "Accounts", account
        for profile, id_ in zip(profiles, ids, strict=True):
            yield "UserProfiles", profile
            yield from self._games(first, account_id, id_)
        if self._values.chance(0.3):
            yield "PendingSignups", make_signup(self._values, self._generation(first), account["Email"])

    def _games(self, first: Generation, account_id: str, profile_id: str) -> Iterator[tuple[str, Document]]:
        for _ in range(self._random.randint(0, 2)):
            session = make_session(self._values, self._generation(first), account_id, profile_id)
            yield "GameSessions", session
            if self._values.chance(0.4):
                yield "PlayerScenarioScores", make_score(self._values, self._generation(first), profile_id, session)

    def _generation(self, first: Generation) -> Generation:
        """Return the generation of what belongs to an account of the first."""
        if self._values.chance(0.5):
            return first
        possible = [generation for generation in GENERATIONS if generation >= first]
        return self._random.choices(possible, [self.mix.get(generation, 0) for generation in possible])[0]

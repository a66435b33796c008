"""Documents that the campaign plants: poison, and what breaks a rule of the tables for a while or for good."""

import json
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from local.sample import PARTITION_KEYS
from local.sample.accounts import make_account
from local.sample.playing import make_assignments
from local.sample.profiles import make_profile
from local.sample.scores import make_score
from local.sample.sessions import make_session
from local.sample.values import GENERATIONS, Document, Generation, Values, key_of

Write = tuple[str, Document]
Identity = tuple[str, str]

# What the cut-over brings, without its cascades: they would delete rows that the ledger goes on to hold.
RULES = """
create unique index ix_accounts_email on accounts (email);
create unique index uix_player_scenario_scores_profile_scenario on player_scenario_scores (profile_id, scenario_id);
alter table game_sessions
    add constraint fk_game_sessions_accounts foreign key (account_id) references accounts (id);
"""
_OWN_STREAM = 0x706C616E74
_SHARE_OF_POISON = 0.01
_SHARE_OF_BREACHES = 0.004


@dataclass(frozen=True, slots=True)
class Case:
    """Documents to write in this order, with other changes in between, and the one that stays parked, if any.

    `first` is written and applied before anything goes wrong.
    """

    writes: tuple[Write, ...]
    first: tuple[Write, ...] = ()
    parked: Write | None = None


def identify(container: str, document: Document) -> Identity:
    """Return what tells a document from all others."""
    partition_key = document.get(PARTITION_KEYS[container].removeprefix("/"), {})
    return container, json.dumps([partition_key, document["id"]])


class Planter:
    """Make the cases of a campaign; whatever is personal in them carries the marker."""

    def __init__(self, seed: int, marker: str) -> None:
        # Not the seed of the sample: two streams that begin alike may make one id for two documents.
        self._values = Values(seed ^ _OWN_STREAM)
        self._dice = self._values.random
        self._marker = marker
        self._count = 0

    def cases(self, changes: int) -> list[Case]:
        """Return one poison document in a hundred changes, and breaches of every rule."""
        poisons = [
            _POISON[number % len(_POISON)] for number in range(max(len(_POISON), int(changes * _SHARE_OF_POISON)))
        ]
        breaches = (self._break_email, self._break_parent, self._break_score, self._break_row_key, self._change_type)
        times = max(2, int(changes * _SHARE_OF_BREACHES / len(breaches)))
        cases = [self._poison(*poison) for poison in poisons]
        return cases + [
            case for breach in breaches for number in range(times) for case in breach(lasting=number % 3 == 0)
        ]

    def account(self, generation: Generation | None = None) -> Document:
        """Return an account that nobody else refers to."""
        account = make_account(self._values, generation or self._generation())
        return account | {"Email": f"{self._mark()}@example.com", "DisplayName": self._mark()}

    def _mark(self) -> str:
        self._count += 1
        return f"{self._marker}-{self._count}"

    def _generation(self) -> Generation:
        return self._dice.choice(GENERATIONS)

    def _profile(self) -> Document:
        profile = make_profile(self._values, self._generation(), self._values.guid())
        return profile | {name: self._mark() for name in ("Name", "DisplayName", "Bio") if name in profile}

    def _session(self, account: Document) -> Document:
        generation, profile = self._generation(), self._values.guid()
        session = make_session(self._values, generation, key_of(account), profile)
        players = [self._mark()]
        assignments = make_assignments(self._values, profile, players, new=generation == "D")
        return session | {"PlayerNames": ",".join(players), "CharacterAssignments": assignments}

    def _score(self, profile: str) -> Document:
        # Both names of the profile, so that every generation stands under its partition key.
        session = {"id": self._values.guid(), "ScenarioId": self._values.guid()}
        return make_score(self._values, self._generation(), profile, session) | {"ProfileId": profile}

    def _poison(self, container: str, spoil: Callable[["Planter", Document], Document]) -> Case:
        account = self.account()
        makers: dict[str, Callable[[], Document]] = {
            "Accounts": lambda: account,
            "UserProfiles": self._profile,
            "GameSessions": lambda: self._session(account),
        }
        good = makers[container]()
        first = (("Accounts", account),) if container == "GameSessions" else ()
        bad = container, good | spoil(self, good)
        match self._dice.randrange(4):
            case 0:
                return Case(((container, good), bad), first, parked=bad)
            case 1:
                return Case((bad, (container, good)), first)
            case _:
                return Case((bad,), first, parked=bad)

    def _break_email(self, *, lasting: bool) -> Iterator[Case]:
        holder, claimant = self.account(), self.account()
        second = "Accounts", claimant | {"Email": holder["Email"]}
        if lasting:
            yield Case((second,), first=(("Accounts", holder),), parked=second)
        elif self._dice.random() < 0.5:
            yield Case((("Accounts", holder), second, ("Accounts", claimant)))
        else:
            yield Case((("Accounts", holder), second, ("Accounts", holder | {"Email": f"{self._mark()}@example.com"})))

    def _break_parent(self, *, lasting: bool) -> Iterator[Case]:
        account = self.account()
        child = "GameSessions", self._session(account)
        yield Case((child,), parked=child) if lasting else Case((child, ("Accounts", account)))

    def _break_score(self, *, lasting: bool) -> Iterator[Case]:
        profile = self._values.guid()
        one, other = self._score(profile), self._score(profile)
        second = "PlayerScenarioScores", other | {"ScenarioId": one["ScenarioId"]}
        if lasting:
            yield Case((second,), first=(("PlayerScenarioScores", one),), parked=second)
        else:
            yield Case((("PlayerScenarioScores", one), second, ("PlayerScenarioScores", other)))

    def _break_row_key(self, *, lasting: bool) -> Iterator[Case]:
        """Write one id under two partition keys; later one of the two becomes a document without rows."""
        one, other = self.account("C"), self.account("C")
        holder = self._session(one)
        holder = {name: value for name, value in holder.items() if name != "AccountId"} | {"accountId": one["id"]}
        second = "GameSessions", holder | {"accountId": other["id"], "PlayerNames": self._mark()}
        accounts = (("Accounts", one), ("Accounts", other))
        if lasting:
            yield Case((second,), first=(*accounts, ("GameSessions", holder)), parked=second)
        else:
            gone = "GameSessions", holder | {"$type": "SomethingElse", "Discriminator": "SomethingElse"}
            yield Case((("GameSessions", holder), second, gone), first=accounts)

    def _change_type(self, *, lasting: bool) -> Iterator[Case]:
        """Let a profile with badges become a document that nobody maps; where it does not last, it comes back."""
        profile = self._profile()
        other = f"Other{self._dice.randrange(30)}" if self._dice.random() < 0.5 else self._mark()
        versions = (profile, profile | {"$type": other}, profile)
        yield Case(tuple(("UserProfiles", each) for each in versions[: 2 if lasting else 3]))


def _long_text(planter: Planter, _: Document) -> Document:
    return {"ScenarioId": "".join(planter._dice.choices("abcdefghijklmnopqrstuvwxyz0123456789", k=20_000))}  # noqa: SLF001


def _twice(badges: list[Any]) -> list[Any]:
    return [*badges, badges[0]] if badges else [{"Id": "twice"}, {"Id": "twice"}]


_POISON: tuple[tuple[str, Callable[[Planter, Document], Document]], ...] = (
    ("Accounts", lambda _, __: {"CreatedAt": "the day before yesterday"}),
    ("Accounts", lambda _, account: {"DisplayName": f"{account['DisplayName']}\0"}),
    ("Accounts", lambda _, __: {"Email": None}),
    ("UserProfiles", lambda _, profile: {"Bio": f"{profile['Bio']}\0"}),
    ("UserProfiles", lambda _, profile: {"EarnedBadges": _twice(profile["EarnedBadges"])}),
    ("UserProfiles", lambda _, __: {"DateOfBirth": "2015-02-30"}),
    ("GameSessions", lambda _, __: {"SceneCount": 2**40}),
    ("GameSessions", lambda _, session: {"EchoHistory": [{"Text": f"{session['PlayerNames']}\0"}]}),
    ("GameSessions", lambda _, __: {"ElapsedTime": "a long while"}),
    ("GameSessions", _long_text),  # too long for its index: only PostgreSQL knows
)


def mix(cases: list[Case], changes: int, dice: random.Random) -> dict[int, list[Write]]:
    """Give every write of every case a place among so many changes, in the order of its case."""
    places: dict[int, list[Write]] = {}
    for case in cases:
        for place, write in zip(sorted(dice.choices(range(changes), k=len(case.writes))), case.writes, strict=True):
            places.setdefault(place, []).append(write)
    return places

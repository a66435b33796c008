"""What a campaign plants among families who play."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from campaigns.planted import Breach, Case, Good, Planter, Spoil, Write
from local.sample.accounts import make_account
from local.sample.playing import make_assignments
from local.sample.profiles import make_profile
from local.sample.scores import make_score
from local.sample.sessions import make_session
from local.sample.values import GENERATIONS, Document, Generation, key_of, toggle_deleted

_PERSONAL = ("DisplayName", "Name", "FirstName", "PlayerNames")


class FamilyPlanter(Planter):
    """Plants accounts, profiles, sessions and scores."""

    # What the cut-over brings, without its cascades: they would delete rows that the ledger goes on to hold.
    rules = """
create unique index ix_accounts_email on accounts (email);
create unique index uix_player_scenario_scores_profile_scenario on player_scenario_scores (profile_id, scenario_id);
alter table game_sessions
    add constraint fk_game_sessions_accounts foreign key (account_id) references accounts (id);
"""

    def __init__(self, seed: int, marker: str) -> None:
        super().__init__(seed, marker)
        self._scores: set[tuple[str, str]] = set()

    @property
    def poisons(self) -> Sequence[tuple[Good, Spoil]]:
        """Return every kind of poison, by container."""
        account, profile, session = self._good_account, self._good_profile, self._good_session
        return (
            (account, lambda _: {"CreatedAt": "the day before yesterday"}),
            (account, lambda it: {"DisplayName": f"{it['DisplayName']}\0"}),
            (account, lambda _: {"Email": None}),
            (profile, lambda it: {"Bio": f"{it['Bio']}\0"}),
            (profile, lambda it: {"EarnedBadges": _twice(it["EarnedBadges"])}),
            (profile, lambda _: {"DateOfBirth": "2015-02-30"}),
            (session, lambda _: {"SceneCount": 2**40}),
            (session, lambda it: {"EchoHistory": [{"Text": f"{it['PlayerNames']}\0"}]}),
            (session, lambda _: {"ElapsedTime": "a long while"}),
            (session, lambda _: {"ScenarioId": self._long_text()}),  # only PostgreSQL knows
        )

    @property
    def breaches(self) -> Sequence[Breach]:
        """Return every kind of breach."""
        return (self._break_email, self._break_parent, self._break_score, self._break_row_key, self._change_type)

    def make_hot(self) -> Write:
        """Return an account."""
        return "Accounts", self.account("C")

    def adapt(self, container: str, document: Document) -> Write:
        """Let names and e-mails carry the marker; nobody scores twice in a scenario."""
        for name in filter(document.get, _PERSONAL):
            document[name] = f"{self._marker} {document[name]}"
        for name in {"Email", "email"} & document.keys():
            document[name] = document[name].replace("@", f".{self._marker}@")
        if container == "PlayerScenarioScores":
            profile = document.get("ProfileId") or document["UserId"]
            while (profile, document["ScenarioId"]) in self._scores:
                document["ScenarioId"] += "-again"
            self._scores.add((profile, document["ScenarioId"]))
        return container, document

    def restore(self, documents: Iterable[Write]) -> Iterator[Write]:
        """Take soft deletes of accounts back: sessions may wait for them."""
        for container, document in documents:
            if container == "Accounts" and document.get("IsDeleted"):
                toggle_deleted(document, document["LastLoginAt"] or document["CreatedAt"])
                yield container, document

    def account(self, generation: Generation | None = None) -> Document:
        """Return an account that nobody else refers to."""
        account = make_account(self._values, generation or self._generation())
        return account | {"Email": f"{self._mark()}@example.com", "DisplayName": self._mark()}

    def _good_account(self) -> tuple[Write, tuple[Write, ...]]:
        return ("Accounts", self.account()), ()

    def _good_profile(self) -> tuple[Write, tuple[Write, ...]]:
        return ("UserProfiles", self._profile()), ()

    def _good_session(self) -> tuple[Write, tuple[Write, ...]]:
        account = self.account()
        return ("GameSessions", self._session(account)), (("Accounts", account),)

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

    def _break_email(self, *, lasting: bool) -> Case:
        holder, claimant = self.account(), self.account()
        second = "Accounts", claimant | {"Email": holder["Email"]}
        if lasting:
            return Case((second,), first=(("Accounts", holder),), parked=second)
        if self._dice.random() < 0.5:
            return Case((("Accounts", holder), second, ("Accounts", claimant)))
        return Case((("Accounts", holder), second, ("Accounts", holder | {"Email": f"{self._mark()}@example.com"})))

    def _break_parent(self, *, lasting: bool) -> Case:
        account = self.account()
        child = "GameSessions", self._session(account)
        return Case((child,), parked=child) if lasting else Case((child, ("Accounts", account)))

    def _break_score(self, *, lasting: bool) -> Case:
        profile = self._values.guid()
        one, other = self._score(profile), self._score(profile)
        second = "PlayerScenarioScores", other | {"ScenarioId": one["ScenarioId"]}
        if lasting:
            return Case((second,), first=(("PlayerScenarioScores", one),), parked=second)
        return Case((("PlayerScenarioScores", one), second, ("PlayerScenarioScores", other)))

    def _break_row_key(self, *, lasting: bool) -> Case:
        """Write one id under two partition keys; later one of the two becomes a document without rows."""
        one, other = self.account("C"), self.account("C")
        holder = self._session(one)
        holder = {name: value for name, value in holder.items() if name != "AccountId"} | {"accountId": one["id"]}
        second = "GameSessions", holder | {"accountId": other["id"], "PlayerNames": self._mark()}
        accounts = (("Accounts", one), ("Accounts", other))
        if lasting:
            return Case((second,), first=(*accounts, ("GameSessions", holder)), parked=second)
        gone = "GameSessions", holder | {"$type": "SomethingElse", "Discriminator": "SomethingElse"}
        return Case((("GameSessions", holder), second, gone), first=accounts)

    def _change_type(self, *, lasting: bool) -> Case:
        """Let a profile with badges become a document that nobody maps; where it does not last, it comes back."""
        profile = self._profile()
        other = f"Other{self._dice.randrange(30)}" if self._dice.random() < 0.5 else self._mark()
        versions = (profile, profile | {"$type": other}, profile)
        return Case(tuple(("UserProfiles", each) for each in versions[: 2 if lasting else 3]))


def _twice(badges: list[Any]) -> list[Any]:
    return [*badges, badges[0]] if badges else [{"Id": "twice"}, {"Id": "twice"}]

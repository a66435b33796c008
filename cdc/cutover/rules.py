"""The rules in the pause: applied one by one, judged by the catalogue, and taken back."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from cdc.core.application import Rule
from cdc.core.errors import CdcError, TransientError
from cdc.core.mapping import Mapper
from cdc.cutover.attempt import Attempt
from cdc.cutover.steps import RefusedError, Say
from cdc.cutover.store import Attempts
from cdc.operations.cutover import Breach, check_rules
from cdc.postgres import rules
from cdc.postgres.database import Connection, Database
from cdc.postgres.pool import Use

# An index of a large table takes its time.
_A_DAY = 86_400


class BrokenRuleError(RefusedError):
    """A rule that rows break; `breach` names some of their documents."""

    def __init__(self, breach: Breach) -> None:
        super().__init__(
            f"The rule {breach.rule.name} fails: {breach.meaning}, but {breach.rows} rows break it. Correct their "
            "documents in Cosmos, let them arrive, and run this command again."
        )
        self.breach = breach


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules of all mappers."""

    mappers: Sequence[Mapper[Any]]
    database: Database
    attempts: Attempts
    say: Say

    @property
    def declared(self) -> list[Rule]:
        """Return the rules that the mappers declare."""
        return [rule for mapper in self.mappers for rule in mapper.rules]

    def check(self) -> None:
        """Raise an error unless every rule could be applied: no other one has its name, and no row breaks it.

        Only reads.
        """
        rules.check_rights(self.database, self.declared)
        for rule in self.declared:
            with self.database.connection() as connection:
                rules.is_in_force(connection, rule)
        for breach in check_rules(self.database, self.mappers):
            self.say("rules", breach.rule.name)
            if breach.rows:
                raise BrokenRuleError(breach)

    def apply(self, attempt: Attempt) -> None:
        """Apply what is not in force yet; each rule is noted in the transaction that adds it."""
        database = self.database.share(Use.OPERATORS, seconds=_A_DAY)
        for mapper in self.mappers:
            for rule in mapper.rules:
                begun = time.monotonic()
                with self.database.connection() as connection:
                    if rules.is_in_force(connection, rule):
                        continue
                self.say("rules", rule.name)
                self._refuse_breach(mapper, rule)
                try:
                    self._add(database, attempt, rule)
                except TransientError:
                    raise
                except CdcError:  # a row came in between
                    self._refuse_breach(mapper, rule)
                    raise
                attempt.progress.seconds[f"rule {rule.name}"] = time.monotonic() - begun

    def _add(self, database: Database, attempt: Attempt, rule: Rule) -> None:
        before, attempt.progress.rules = attempt.progress.rules, [*dict.fromkeys([*attempt.progress.rules, rule.name])]
        try:
            with database.transaction() as connection:
                self.attempts.save_in(connection, attempt)
                rules.add(connection, rule)
                _check_added(connection, rule)
        except TransientError:
            raise  # it may have been committed, so that it counts as added
        except CdcError:
            attempt.progress.rules = before
            raise

    def _refuse_breach(self, mapper: Mapper[Any], rule: Rule) -> None:
        for breach in check_rules(self.database, [mapper]):
            if breach.rule == rule and breach.rows:
                raise BrokenRuleError(breach)

    def find_missing(self, connection: Connection) -> list[str]:
        """Return the rules that are not in force."""
        return [rule.name for rule in self.declared if not rules.is_in_force(connection, rule)]

    def take_back(self, attempt: Attempt) -> None:
        """Drop what this attempt has added: documents that still arrive must not meet it."""
        if not attempt.progress.rules:
            return
        self.say("rules", "they are taken back")
        names = attempt.progress.rules
        try:
            with self.database.transaction() as connection:
                attempt.progress.rules = []
                self.attempts.save_in(connection, attempt)
                self.drop(connection, names)
        except BaseException:
            attempt.progress.rules = names  # they may still be there
            raise

    def drop(self, connection: Connection, names: Sequence[str]) -> None:
        """Drop rules by name, those that refer to others first."""
        for rule in reversed(self.declared):
            if rule.name in names:
                rules.drop(connection, rule)


def _check_added(connection: Connection, rule: Rule) -> None:
    if not rules.is_in_force(connection, rule):
        raise RefusedError(f"sql/cutover adds another rule than {rule.name} as its mapper declares it.")

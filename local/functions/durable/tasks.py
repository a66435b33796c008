"""Model the tasks of a replay: what is waited for, and what goes on when it settles."""

from collections.abc import Callable, Iterator, Sequence
from typing import Self


class Task:
    """Settle once, as a success or a failure, and tell whoever waits."""

    def __init__(self) -> None:
        self.is_done = False
        self.has_failed = False
        self._waiting: list[Callable[[], None]] = []

    def settle(self, *, failed: bool = False) -> Self:
        """End, and let the waiting go on."""
        if not self.is_done:
            self.is_done, self.has_failed = True, failed
            for go_on in self._waiting:
                go_on()
        return self

    def then(self, go_on: Callable[[], None]) -> None:
        """Call when this has ended, at once if it has."""
        if self.is_done:
            go_on()
        else:
            self._waiting.append(go_on)


class Routine(Task):
    """Wait for the tasks that a generator yields, one after the other."""

    def __init__(self, tasks: Iterator[Task]) -> None:
        super().__init__()
        self._tasks = tasks

    def start(self) -> Self:
        """Go on until a task is not done."""
        for task in self._tasks:
            if not task.is_done:
                task.then(self._go_on)
                return self
        return self.settle()

    def _go_on(self) -> None:
        self.start()


def when_all(tasks: Sequence[Task]) -> Task:
    """Return a task that ends when all have ended, failed ones too."""
    whole = Task()
    left = len(tasks)

    def count() -> None:
        nonlocal left
        left -= 1
        if left == 0:
            whole.settle()

    for task in tasks:
        task.then(count)
    return whole if tasks else whole.settle()


def when_any(tasks: Sequence[Task]) -> Task:
    """Return a task that ends with the first of these."""
    whole = Task()

    def end() -> None:
        whole.settle()

    for task in tasks:
        task.then(end)
    return whole

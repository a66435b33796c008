"""Give orchestrators and activities their turns, and save what they return."""

import json
import logging
import queue
import threading
import time
from collections.abc import Callable

from azure.functions.meta import Datum

from local.functions.durable import episode, history
from local.functions.durable.declared import DurableFunctions
from local.functions.durable.episode import Episode
from local.functions.durable.instances import Activity
from local.functions.durable.options import Options
from local.functions.durable.replay import ReplayError
from local.functions.durable.store import Store
from local.functions.invoke import Invoker
from local.functions.locks import HostLock
from local.functions.worker import Answer, WorkerEndedError

_log = logging.getLogger(__name__)
# Another host may have left a message, or its place.
_LONGEST_WAIT = 0.2

Save = Callable[[], None]


class Dispatcher:
    """Run the work of a task hub in the background, while no other host does."""

    def __init__(
        self, store: Store, place: HostLock, functions: DurableFunctions, options: Options, invoker: Invoker
    ) -> None:
        self._store = store
        self._place = place
        self._functions = functions
        self._options = options
        self._invoker = invoker
        self._stopping = threading.Event()
        self._ended: queue.SimpleQueue[Save | None] = queue.SimpleQueue()
        self._episodes: set[str] = set()
        self._activities: set[int] = set()
        self._is_standby = False
        self._thread = threading.Thread(target=self._run, name="durable functions", daemon=True)

    def start(self) -> None:
        """Begin in the background."""
        self._thread.start()

    def stop(self) -> None:
        """Begin nothing more, but save what ends."""
        self._stopping.set()
        self.wake()

    def join(self, deadline: float) -> None:
        """Wait for what runs."""
        if self._thread.ident is not None:
            self._thread.join(max(0.0, deadline - time.monotonic()))

    def wake(self) -> None:
        """Look for work now."""
        self._ended.put(None)

    def _run(self) -> None:
        while not self._stopping.is_set() or self._episodes or self._activities:
            if not self._stopping.is_set() and self._has_place():
                self._begin_episodes()
                self._begin_activities()
            self._save_ended()
        self._place.release()

    def _has_place(self) -> bool:
        has_place = self._place.acquire()
        if not has_place and not self._is_standby:
            _log.warning("another host runs the task hub %s: this one waits", self._options.hub_name)
        self._is_standby = not has_place
        return has_place

    def _save_ended(self) -> None:
        try:
            save = self._ended.get(timeout=self._find_wait())
            while True:
                if save is not None:
                    save()
                save = self._ended.get_nowait()
        except queue.Empty:
            return

    def _find_wait(self) -> float:
        due = self._store.find_next_due()
        wait = _LONGEST_WAIT if due is None else min(due - history.now().timestamp(), _LONGEST_WAIT)
        return max(wait, 0.001)

    def _begin_episodes(self) -> None:
        for instance_id in self._store.find_ready():
            if len(self._episodes) >= self._options.max_orchestrators:
                return
            if instance_id not in self._episodes:
                begun = episode.begin(self._store, instance_id)
                if begun is not None:
                    self._begin_episode(begun)

    def _begin_episode(self, begun: Episode) -> None:
        try:
            function = self._functions.orchestrator(begun.instance.name)
        except ReplayError as error:
            episode.conclude(self._store, begun, self._functions, error)
            return
        self._episodes.add(begun.instance.id)
        future = self._invoker.submit(function, Datum(begun.payload, "string"))
        future.add_done_callback(lambda done: self._ended.put(lambda: self._end_episode(begun, done)))

    def _end_episode(self, begun: Episode, done: Answer) -> None:
        self._episodes.discard(begun.instance.id)
        error = done.exception()
        if isinstance(error, WorkerEndedError):
            return
        answer = done.result() if error is None else None
        text = str(answer.value) if answer is not None else ""
        episode.conclude(self._store, begun, self._functions, error or text)

    def _begin_activities(self) -> None:
        # The oldest ones contain all that run: what ended is gone, and none began before an older one.
        for activity in self._store.find_activities(self._options.max_activities):
            if activity.id not in self._activities:
                self._begin_activity(activity)

    def _begin_activity(self, activity: Activity) -> None:
        try:
            function = self._functions.activity(activity.name)
        except ReplayError as error:
            self._save_activity(activity, history.task_failed(activity.task, activity.name, error))
            return
        self._activities.add(activity.id)
        future = self._invoker.submit(function, Datum(activity.input, "string"))
        future.add_done_callback(lambda done: self._ended.put(lambda: self._end_activity(activity, done)))

    def _end_activity(self, activity: Activity, done: Answer) -> None:
        self._activities.discard(activity.id)
        error = done.exception()
        if isinstance(error, WorkerEndedError):
            # It did not fail: it runs again, as after the death of the host.
            return
        if error is not None:
            self._save_activity(activity, history.task_failed(activity.task, activity.name, error))
            return
        answer = done.result()
        result = json.dumps(None) if answer is None else str(answer.value)
        self._save_activity(activity, history.task_completed(activity.task, result))

    def _save_activity(self, activity: Activity, event: history.Event) -> None:
        with self._store.transaction():
            self._store.delete_activity(activity)
            instance = self._store.find(activity.instance)
            if instance is not None and instance.execution == activity.execution and not instance.status.is_final:
                self._store.send(activity.instance, event, execution=activity.execution)

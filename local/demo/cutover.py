"""Go from phase 1 to phase 3 as docs/cut-over.md says: look, rehearse, stop the application, cut over."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator

from local.cosmos.remote import RemoteControls
from local.demo.reconcile import reconcile
from local.operator import Operator
from local.patience import PATIENCE_SECONDS
from local.sample import DATABASE, Sample
from local.stack import ROOT, Stack, StackError

# What takes weeks in a migration must not take them here.
_SOON = {"READINESS_CLEAN_RUNS": "1", "READINESS_SETTLE_SECONDS": "0"}
_RETRY_SECONDS = 1.0


def show(stack: Stack, sample: Sample) -> Iterator[str]:
    """Do it step by step and say what happened; raise StackError when a step fails. Nothing else may write Cosmos."""
    corrected = _restore_parents(stack, sample)
    if corrected:
        yield (
            f"The application has marked {corrected} documents as deleted, but other documents may name them. The "
            "foreign keys of PostgreSQL would refuse that (python -m cdc cutover check says so). We correct them in "
            "Cosmos."
        )
    _discard_letters(stack)
    reconcile(stack, mode="keys")
    _wait_until_ready(stack)
    _set_phase(stack, 2)
    yield (
        "Phase 2: from now on the application reads PostgreSQL. It still writes Cosmos. Before this, the app has "
        "checked that every document is copied and compared (python -m cdc phase 2)."
    )
    forecast = _find(r"about ([\d.]+) s", _run(stack, "cutover", "rehearse"))
    yield (
        "Rehearsal: the app compared all documents, and tried every step (python -m cdc cutover rehearse). It says: in "
        f"the cut-over nobody may write for about {forecast} s."
    )
    RemoteControls(stack.cosmos.url).ask("POST", "refuse-writes", database=DATABASE)
    yield "We stop the application, and take away its right to write Cosmos. The cut-over begins ..."
    pause = _find(r"the pause took ([\d.]+) s", _run(stack, "cutover", "run"))
    _set_phase(stack, 3)
    yield (
        "Cut-over: the app waited until nothing was written, and until every change was in PostgreSQL. It compared "
        "both sides again, added the unique indexes and foreign keys, and recorded phase 3 (python -m cdc cutover "
        f"run). Nobody could write for {pause} s."
    )
    yield (
        "Phase 3: from now on the application writes PostgreSQL. This app copies nothing any more. It only watches "
        "Cosmos, and raises an alarm if somebody still writes there."
    )


def _restore_parents(stack: Stack, sample: Sample) -> int:
    """Take back in Cosmos that documents were marked as deleted; return how many."""
    deleted = [(container, document) for container, document in sample.documents if document.get("IsDeleted")]
    source = stack.open_source()
    for container, document in deleted:
        document |= {"IsDeleted": False, "DeletedAt": None}
        source.write(container, document)
    source.close()
    return len(deleted)


def _discard_letters(stack: Stack) -> None:
    """Say of each parked document that nobody needs it: the poison ones are no documents of anybody."""
    operator = Operator(stack.functions.url, stack.functions_key)
    for letter in operator.ask("GET", "dead-letters")[1]["items"]:
        operator.ask("DELETE", f"dead-letters/{letter['id']}")


def _wait_until_ready(stack: Stack) -> None:
    """Record phase 2 as soon as the app is ready for it."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            _run(stack, "phase", "2")
        except StackError:
            if time.monotonic() > deadline:
                raise
        else:
            return
        time.sleep(_RETRY_SECONDS)


def _set_phase(stack: Stack, phase: int) -> None:
    """Change the setting of the app, which starts it again."""
    stack.functions.restart(MIGRATION_PHASE=str(phase), DataMigration__Phase=str(phase))


def _run(stack: Stack, *command: str) -> str:
    """Run a command of the app as the login that migrates, and return what it prints."""
    settings = {**os.environ, **stack.settings, **_SOON, "POSTGRES_CONNECTION": stack.administrator}
    done = subprocess.run(
        [sys.executable, "-m", "cdc", *command],
        cwd=ROOT, env=settings, capture_output=True, text=True, check=False,
        start_new_session=True,  # Ctrl-C is for this process
    )  # fmt: skip
    if done.returncode != 0:
        raise StackError(f"python -m cdc {' '.join(command)} failed: {done.stdout}{done.stderr}")
    return done.stdout


def _find(pattern: str, text: str) -> str:
    found = re.search(pattern, text)
    if found is None:
        raise StackError(f"Nothing says {pattern}: {text}")
    return found[1]

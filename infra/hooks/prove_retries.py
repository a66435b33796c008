"""Prove that the plan keeps the retry policy: pause a container while changes come, and see that none is skipped."""

import argparse
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from cdc.config.settings import Settings
from cdc.core.errors import CdcError
from cdc.runtime import Runtime
from infra.hooks import site
from mappers import APPLICATION_SQL, EXTRA_CONTAINERS, choose_mappers

_LOOK_SECONDS = 20.0
_CATCH_UP_SECONDS = 600.0
_REASON = "a proof that retries hold"


def work(deployment: site.Site, container: str, seconds: float) -> None:
    """Prove it, or say what was proved instead."""
    settings = Settings.read(deployment.adapt_settings("writer"), EXTRA_CONTAINERS)
    runtime = Runtime(settings, choose_mappers(settings.extra_containers), APPLICATION_SQL)
    try:
        print(_prove(runtime, container, seconds))
    except CdcError as error:
        raise site.DeploymentError(str(error)) from None
    finally:
        runtime.close()


def _prove(runtime: Runtime, container: str, seconds: float) -> str:
    """Pause, wait, look, resume, and look again: a host that gave a batch up has gone on."""
    if _count_waiting(runtime, container):
        raise site.DeploymentError(f"Changes of {container} wait already: begin when its feed has caught up.")
    waiting = _pause(runtime, container, seconds)
    problems = [each for each in runtime.pauses.find_problems() if f" {container} " in each]
    if problems:
        raise site.DeploymentError(" ".join(problems))
    if not waiting:
        raise site.DeploymentError(
            f"Nothing of {container} was written in {seconds:.0f} s, so nothing is proved: change a document of it in "
            "the pause, or choose another container."
        )
    deadline = time.monotonic() + _CATCH_UP_SECONDS
    while _count_waiting(runtime, container):
        if time.monotonic() > deadline:
            raise site.DeploymentError(f"The changes of {container} do not arrive: look at python -m cdc status.")
        time.sleep(1)
    return f"About {waiting} changes of {container} waited, none was skipped, and all have arrived: retries hold."


def _pause(runtime: Runtime, container: str, seconds: float) -> int:
    """Return how many changes waited at the end of the pause."""
    runtime.pauses.pause(container, _REASON)
    print(f"{container} is paused for {seconds:.0f} s; Ctrl-C resumes it at once", flush=True)
    try:
        time.sleep(seconds)
        return _count_waiting(runtime, container)
    finally:
        runtime.pauses.resume(container, accept=False)


def _count_waiting(runtime: Runtime, container: str) -> int:
    report = runtime.status.read(_LOOK_SECONDS)
    found = next((each.backlog for each in report.containers if each.container == container), None)
    if found is None:
        raise site.DeploymentError(f"Nobody knows what waits of {container}: look at python -m cdc status.")
    return found


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("container")
    parser.add_argument("--seconds", type=float, default=600, help="of the pause (default: %(default)s)")
    options = parser.parse_args()
    site.main(lambda deployment: work(deployment, options.container, options.seconds))

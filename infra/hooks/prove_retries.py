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
from mappers import EXTRA_CONTAINERS, choose_mappers

_LOOK_SECONDS = 20.0
_REASON = "a proof that retries hold"


def work(deployment: site.Site, container: str, seconds: float) -> None:
    """Pause, wait, look, resume, and look again: a host that gave a batch up has gone on."""
    settings = Settings.read(deployment.adapt_settings("writer"), EXTRA_CONTAINERS)
    runtime = Runtime(settings, choose_mappers(settings.extra_containers))
    try:
        waiting = _pause(runtime, container, seconds)
        problems = [each for each in runtime.pauses.find_problems() if f" {container} " in each]
    except CdcError as error:
        raise site.DeploymentError(str(error)) from None
    finally:
        runtime.close()
    if problems:
        raise site.DeploymentError(" ".join(problems))
    if not waiting:
        raise site.DeploymentError(
            f"Nothing of {container} was written in {seconds:.0f} s, so nothing is proved: change a document of it in "
            "the pause, or choose another container."
        )
    print(f"About {waiting} changes of {container} waited for {seconds:.0f} s, and none was skipped: retries hold.")


def _pause(runtime: Runtime, container: str, seconds: float) -> int:
    """Return how many changes waited at the end of the pause."""
    runtime.pauses.pause(container, _REASON)
    print(f"{container} is paused for {seconds:.0f} s; Ctrl-C resumes it at once")
    try:
        time.sleep(seconds)
        report = runtime.status.read(_LOOK_SECONDS)
        return next((each.backlog or 0 for each in report.containers if each.container == container), 0)
    finally:
        runtime.pauses.resume(container, accept=False)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("container")
    parser.add_argument("--seconds", type=float, default=600, help="of the pause (default: %(default)s)")
    options = parser.parse_args()
    site.main(lambda deployment: work(deployment, options.container, options.seconds))

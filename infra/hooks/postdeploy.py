"""After a release went live: ask the app itself. Only that proves its own rights, not those of whoever deploys."""

import http.client
import json
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from infra.hooks import site

# A first start is slow, and roles take some minutes to spread.
PATIENCE_SECONDS = 600.0
_PAUSE_SECONDS = 5.0


def work(deployment: site.Site) -> None:
    """Wait until the app says that changes arrive."""
    deployment.read_settings()
    patience = float(deployment.variables.get("READY_PATIENCE_SECONDS") or PATIENCE_SECONDS)
    deadline = time.monotonic() + patience
    while (problem := ask(deployment)) is not None:
        if time.monotonic() > deadline:
            raise site.DeploymentError(
                f"The app was not ready within {patience:.0f} s: {problem}. docs/problems.md says what to do. The "
                "change feeds lose nothing meanwhile. To go back, publish the release before, without its hooks: see "
                "Going back in docs/deploying.md."
            )
        time.sleep(min(_PAUSE_SECONDS, patience / 10))
    print("The app is ready: its own identity reaches both stores, and changes arrive.")


def ask(deployment: site.Site) -> str | None:
    """Return what the app says is wrong, or why it says nothing; None if it is ready."""
    host = deployment.read("AZURE_FUNCTION_APP_HOST").rstrip("/")
    url = f"{host if '://' in host else f'https://{host}'}/api/health/ready"
    try:
        with urllib.request.urlopen(url, timeout=60) as answer:  # noqa: S310 - the app's own address
            return None if answer.status == http.HTTPStatus.OK else f"it answers {answer.status}"
    except urllib.error.HTTPError as error:
        with error:
            return f"it answers {error.code}: {_read_problems(error.read())}"
    except (OSError, http.client.HTTPException) as error:
        return f"{url} cannot be reached ({error}); a private app answers only inside its network"


def _read_problems(body: bytes) -> str:
    try:
        return json.dumps(json.loads(body)["errors"], ensure_ascii=False)
    except (ValueError, LookupError, TypeError):
        return "the host has not started the app: look at its log stream"


if __name__ == "__main__":
    site.main(work)

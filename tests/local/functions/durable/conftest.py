"""Run durable apps in hosts of their own, and use them through the SDK's own client."""

import json
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from local.patience import PATIENCE_SECONDS
from tests.local.functions.conftest import KEY, App, HostProcess, wait_for

HOST_JSON = {"version": "2.0", "extensions": {"durableTask": {"hubName": "%HUB%"}}}
SETTINGS = {"IsEncrypted": False, "Values": {"HUB": "TestHub"}}
CLIENT = """
from datetime import timedelta, datetime, timezone
import azure.durable_functions as df
app = df.DFApp(http_auth_level=func.AuthLevel.ANONYMOUS)

def wait_for_file(name):
    while not pathlib.Path(name).exists():
        time.sleep(0.01)

@app.route(route="client/{operation}", methods=["POST"])
@app.durable_client_input(client_name="client")
async def use_client(req: func.HttpRequest, client: df.DurableOrchestrationClient) -> func.HttpResponse:
    arguments = req.get_json()
    for name in ("created_time_from", "created_time_to"):
        if name in arguments:
            arguments[name] = datetime.fromisoformat(arguments[name])
    if "runtime_status" in arguments:
        arguments["runtime_status"] = [df.OrchestrationRuntimeStatus(name) for name in arguments["runtime_status"]]
    try:
        result = await getattr(client, req.route_params["operation"])(**arguments)
    except Exception as error:
        return func.HttpResponse(json.dumps({"error": str(error)}), status_code=400)
    def plain(value):
        if isinstance(value, (datetime, df.OrchestrationRuntimeStatus)):
            return str(getattr(value, "value", value))
        return {name.lstrip("_"): each for name, each in vars(value).items()}
    return func.HttpResponse(json.dumps(result, default=plain))

@app.route(route="check/{id}")
@app.durable_client_input(client_name="client")
async def check(req: func.HttpRequest, client) -> func.HttpResponse:
    return client.create_check_status_response(req, req.route_params["id"])
"""


class ClientError(Exception):
    """Carry what the SDK's client raised."""


def ask(url: str, method: str = "GET", body: bytes | None = None) -> tuple[int, Any]:
    """Send a request and return the status and the JSON of the answer."""
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(url, method=method, data=body, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE_SECONDS) as answer:
            status, text = answer.status, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            status, text = error.code, error.read()
    return status, json.loads(text) if text else None


class Hub:
    """Use a running host: by the SDK's client, which a function of the app has, or by the webhooks."""

    def __init__(self, app: App, host: HostProcess) -> None:
        self.app = app
        self.host = host

    @property
    def webhooks(self) -> str:
        return f"{self.host.url}runtime/webhooks/durabletask/"

    def call(self, operation: str, **arguments: Any) -> Any:
        status, result = ask(f"{self.host.url}api/client/{operation}", "POST", json.dumps(arguments).encode())
        if status == 400:
            raise ClientError(result["error"])
        assert status == 200, self.host.errors
        return result

    def webhook(self, path: str, method: str = "POST", body: Any = None) -> tuple[int, Any]:
        separator = "&" if "?" in path else "?"
        data = None if body is None else json.dumps(body).encode()
        return ask(f"{self.webhooks}{path}{separator}code={KEY}", method, data)

    def start(self, name: str, client_input: Any = None, instance_id: str | None = None) -> str:
        return str(
            self.call("start_new", orchestration_function_name=name, instance_id=instance_id, client_input=client_input)
        )

    def status(self, instance_id: str, **options: bool) -> dict[str, Any]:
        return dict(self.call("get_status", instance_id=instance_id, **options))

    def wait(self, instance_id: str, status: str = "Completed") -> dict[str, Any]:
        def reached() -> dict[str, Any] | None:
            found = self.status(instance_id)
            is_final = found["runtime_status"] in {"Completed", "Failed", "Terminated"}
            assert found["runtime_status"] == status or not is_final, found
            return found if found["runtime_status"] == status else None

        return dict(wait_for(reached))

    def run(self, name: str, client_input: Any = None) -> Any:
        return self.wait(self.start(name, client_input))["output"]

    def notes(self, **wanted: Any) -> list[dict[str, Any]]:
        return [note for note in self.app.notes() if wanted.items() <= note.items()]

    def release(self, name: str) -> None:
        (self.app.root / name).touch()


Open = Callable[..., Hub]


def opener(root: Path, started: list[HostProcess]) -> Open:
    """Return a way to start a host of an app, again and again with the same state."""

    def begin(source: str | None = None, *, host_json: Any = HOST_JSON) -> Hub:
        app = App(root)
        if source is not None:
            app.write(CLIENT + source, host_json=host_json, settings=SETTINGS)
        started.append(HostProcess(app))
        return Hub(app, started[-1].wait_ready())

    return begin


@contextmanager
def _closing() -> Iterator[list[HostProcess]]:
    started: list[HostProcess] = []
    try:
        yield started
    finally:
        for host in started:
            host.close()


@pytest.fixture
def open_hub(tmp_path: Path) -> Iterator[Open]:
    """Give a way to start hosts that keep their state in one folder."""
    with _closing() as started:
        yield opener(tmp_path, started)


@pytest.fixture(scope="module")
def hub(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    """Give a running host of the app in the module's SOURCE, for all its tests."""
    with _closing() as started:
        yield opener(tmp_path_factory.mktemp("hub"), started)(request.module.SOURCE)

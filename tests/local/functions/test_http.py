"""Check routes, keys and answers of HTTP functions."""

import json
import socket
import urllib.error
import urllib.request

import pytest

from local.functions import routes
from local.patience import PATIENCE_SECONDS
from tests.local.functions.conftest import ADMIN_KEY, KEY

SOURCE = """
@app.route(route="open/{name?}", auth_level="ANONYMOUS", methods=["GET", "POST"])
async def open_route(req: func.HttpRequest, context: func.Context) -> func.HttpResponse:
    return func.HttpResponse(json.dumps({
        "method": req.method, "url": req.url, "params": dict(req.params), "route": dict(req.route_params),
        "body": req.get_body().decode(), "agent": req.headers["User-Agent"], "function": context.function_name,
    }), mimetype="application/json", status_code=202, headers={"X-More": "yes", "Set-Cookie": "a=b"})

@app.route(route="closed")
def closed(req: func.HttpRequest) -> str:
    return "text ä"

@app.route(route="broken", auth_level="ANONYMOUS")
def broken(req: func.HttpRequest) -> str:
    raise ValueError("nope" + chr(10) + "secret document")

@app.route(route="wrong", auth_level="ANONYMOUS")
def wrong(req):
    return {"no": "answer"}

@app.route(route="secret", auth_level="ADMIN")
def secret(req: func.HttpRequest) -> str:
    return "secret"

@app.route(route="slow/{file}", auth_level="ANONYMOUS")
def slow(req: func.HttpRequest) -> str:
    while not pathlib.Path(req.route_params["file"]).exists():
        time.sleep(0.01)
    note(done=True)
    return "done"

@app.timer_trigger(arg_name="timer", schedule="0 0 0 1 1 *")
def tick(timer: func.TimerRequest) -> None:
    note(past_due=timer.past_due)

@app.route(route="nothing", auth_level="ANONYMOUS")
def nothing(req):
    return None
"""


def ask(url, method="GET", body=None, **headers):
    """Send a request and return status, headers and body."""
    request = urllib.request.Request(url, method=method, data=body, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE_SECONDS) as answer:
            return answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers, error.read()


@pytest.fixture
def host(app, start):
    """Give a running host with one function of each kind."""
    return start(app.write(SOURCE)).wait_ready()


def test_the_ready_line_names_url_functions_and_key(host):
    """Compare the one line on stdout."""
    assert host.ready_line.endswith(f"/ (8 functions, key {KEY}, admin key {ADMIN_KEY})\n")
    assert host.stop() == 0
    assert host.errors == ""


def test_a_request_reaches_the_function_as_the_worker_would_give_it(host):
    """Send everything that a request can have and read it back."""
    status, headers, body = ask(f"{host.url}api/open/a%20b?x=1&x=2&empty=", "POST", b"hello", **{"user-agent": "me"})

    assert (status, headers["Content-Type"], headers["X-More"]) == (202, "application/json", "yes")
    assert headers["Set-Cookie"] == "a=b"
    assert json.loads(body) == {
        "method": "POST",
        "url": f"{host.url}api/open/a%20b?x=1&x=2&empty=",
        "params": {"x": "1,2"},
        "route": {"name": "a b"},
        "body": "hello",
        "agent": "me",
        "function": "open_route",
    }


def test_an_optional_route_parameter_may_be_absent(host):
    """Leave the last segment out."""
    status, _, body = ask(f"{host.url}api/open")

    assert (status, json.loads(body)["route"]) == (202, {})


def test_a_function_key_is_demanded_by_header_or_query(host):
    """Ask without a key, with a wrong one, and with the right one in both places."""
    url = f"{host.url}api/closed"

    assert ask(url)[0] == 401
    assert ask(url, **{"x-functions-key": "other"})[0] == 401
    assert ask(url, **{"x-functions-key": b"\xff"})[0] == 401
    assert ask(url, **{"x-functions-key": KEY})[2].decode() == "text ä"
    assert ask(f"{url}?code={KEY}")[0] == 200


def test_the_admin_key_opens_every_function_and_those_of_level_admin_ask_for_it(host):
    """Ask with both keys."""
    assert ask(f"{host.url}api/closed", **{"x-functions-key": ADMIN_KEY})[0] == 200
    assert ask(f"{host.url}api/secret", **{"x-functions-key": ADMIN_KEY})[2] == b"secret"
    assert ask(f"{host.url}api/secret", **{"x-functions-key": KEY})[0] == 401


def test_a_timer_is_run_by_hand_with_the_admin_key(app, host, eventually):
    """Post to the endpoint of the real host."""
    url = f"{host.url}admin/functions/tick"

    assert ask(url, "POST", b"{}", **{"x-functions-key": KEY})[0] == 401
    assert ask(url, "POST", b"{}", **{"x-functions-key": ADMIN_KEY})[0] == 202

    assert eventually(app.notes) == [{"past_due": False}]


def test_only_a_timer_that_exists_is_run_by_hand(host):
    """Name another function, and one that does not exist."""
    key = {"x-functions-key": ADMIN_KEY}

    assert ask(f"{host.url}admin/functions/closed", "POST", b"{}", **key)[0] == 400
    assert ask(f"{host.url}admin/functions/elsewhere", "POST", b"{}", **key)[0] == 404
    assert ask(f"{host.url}admin/functions/elsewhere", **key)[0] == 404


def test_the_host_tells_its_status_and_its_functions_to_whoever_has_the_admin_key(host):
    """Read both, and without the key neither."""
    assert ask(f"{host.url}admin/host/status")[0] == 401

    status = json.loads(ask(f"{host.url}admin/host/status?code={ADMIN_KEY}")[2])
    functions = json.loads(ask(f"{host.url}admin/functions?code={ADMIN_KEY}")[2])
    tick = json.loads(ask(f"{host.url}admin/functions/tick?code={ADMIN_KEY}")[2])

    assert status["state"] == "Running"
    assert len(functions) == 8
    assert tick in functions
    assert tick["config"]["bindings"][0]["schedule"] == "0 0 0 1 1 *"


def test_a_request_that_takes_too_long_is_answered_504_and_its_function_goes_on(app, start, eventually):
    """Give the host half a second instead of Azure's 230."""
    host = start(app.write(SOURCE), "--answer-within", "0.5").wait_ready()

    assert ask(f"{host.url}api/slow/go")[0] == 504
    app.root.joinpath("go").touch()

    assert eventually(app.notes) == [{"done": True}]
    assert "warning slow: no answer within 0.5 s" in host.errors


COLLECT = """
@app.route(route="collect", auth_level="ANONYMOUS")
def collect(req):
    import gc
    gc.collect()
"""


def test_a_failure_after_the_504_is_logged_without_what_it_quotes(app, start, eventually):
    """Let the function raise when nobody waits for it any more, and let the collector find what is left."""
    fails = SOURCE.replace(
        '    note(done=True)\n    return "done"', '    raise ValueError("nope" + chr(10) + "secret")'
    )
    host = start(app.write(fails + COLLECT), "--answer-within", "2").wait_ready()
    assert ask(f"{host.url}api/slow/go")[0] == 504

    app.root.joinpath("go").touch()
    eventually(lambda: "error slow: failed" in host.errors)
    assert ask(f"{host.url}api/collect")[0] == 204

    assert host.stop() == 0
    assert [line.split()[1] for line in host.errors.splitlines()] == ["warning", "error"]
    assert "secret" not in host.errors


def test_an_unknown_route_or_method_is_not_found(host):
    """Ask for what no function declares."""
    assert ask(f"{host.url}api/elsewhere")[0] == 404
    assert ask(f"{host.url}open")[0] == 404
    assert ask(f"{host.url}api/open", "DELETE")[0] == 404


def test_verbose_says_why_a_request_is_refused_but_not_its_path_or_key(app, start, eventually):
    """Bring a wrong key, another method, and a path that no function has."""
    host = start(app.write(SOURCE), "--verbose").wait_ready()

    ask(f"{host.url}api/closed?code=wrongkey")
    ask(f"{host.url}api/open/somebody", "DELETE")
    ask(f"{host.url}somebody")

    eventually(lambda: "info host: 404: no function has a route for the path of a request" in host.errors)
    assert "info closed: 401: a request without a key that opens it" in host.errors
    assert "info host: 404: open_route answers GET, POST, not DELETE" in host.errors
    assert "wrongkey" not in host.errors
    assert "somebody" not in host.errors


def test_a_function_that_raises_answers_500_without_a_body(host, eventually):
    """Read the first line of the exception in the log, and not the second."""
    status, _, body = ask(f"{host.url}api/broken")

    assert (status, body) == (500, b"")
    eventually(lambda: "error broken: failed" in host.errors)
    assert "ValueError: nope (function_app.py:" in host.errors
    assert "secret" not in host.errors


def test_an_answer_of_the_wrong_type_is_a_failure_and_no_answer_is_204(host, eventually):
    """Return a dict, whose failure is at no line of the app, and nothing."""
    assert ask(f"{host.url}api/wrong")[0] == 500
    told = "TypeError: a value of type dict is no answer: return a str or an azure.functions.HttpResponse\n"
    eventually(lambda: told in host.errors)
    assert ask(f"{host.url}api/nothing")[0] == 204


def test_a_port_in_use_ends_the_host_with_one_sentence(app, start):
    """Take a port first."""
    app.write(SOURCE)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        host = start(app, "--port", str(port))

        assert host.wait() == 1
    assert host.errors == f"functions: port {port} is in use, choose another with --port\n"


@pytest.mark.parametrize(
    ("template", "path", "expected"),
    [
        ("items/{id:int}", "/api/items/12", {"id": "12"}),
        ("items/{id:int}", "/api/items/x", None),
        ("items/{id:guid}", "/api/items/01234567-89ab-cdef-0123-456789abcdef", None),
        ("items/{id}", "/api/Items/a%2Fb", {"id": "a/b"}),
        ("items/{id}", "/api/items/a/b", None),
        ("items/{id?}", "/api/items/", {}),
        ("{*rest}", "/api/a/b", {"rest": "a/b"}),
        ("a.b", "/api/axb", None),
    ],
)
def test_a_route_matches_the_paths_of_its_template(template, path, expected):
    """Compare the route parameters."""
    if template.endswith("guid}"):
        expected = {"id": "01234567-89ab-cdef-0123-456789abcdef"}

    assert routes.parse("api", template).match(path) == expected


def test_literal_segments_win_over_parameters():
    """Order three routes that one path matches."""
    templates = ["items/{id}", "{*rest}", "items/all", "items/{id:int}"]

    ordered = sorted((routes.parse("api", template) for template in templates), key=lambda route: route.rank)

    assert [route.template for route in ordered] == [
        "api/items/all",
        "api/items/{id:int}",
        "api/items/{id}",
        "api/{*rest}",
    ]

"""The page in a real browser: over the running app, and over answers that an app gives only when much is wrong."""

import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import IO, Any

import psycopg
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Locator, Page, Route, sync_playwright

from cdc.api.dashboard import PAGE
from cdc.operations.problems import BLOCKERS, Code, CurrentProblem
from local.cosmos import CosmosServer
from local.operator import Operator
from local.patience import PATIENCE_SECONDS
from local.postgres import Postgres
from local.sample import Source
from local.stack import Part, make_settings
from tests.builders import a_session, an_account
from tests.commands import prepare
from tests.conftest import create_database
from tests.e2e import dashboard_answers
from tests.e2e.conftest import wait_until
from tests.e2e.dashboard_answers import NAMES
from tests.e2e.stub_app import KEY, StubApp

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed: Debian's package has it")

# Chromium says this itself whenever a request fails.
FAILED = "Failed to load resource"
EVIL = '<img src=x onerror="window.hit=1"><script>window.hit=1</script>'
# What the page chooses by; every other text may be anything.
CHOICES = {"at", "verdict", "severity", "state", "lag_at", "since", "finished_at", "parked_at", "counted_at"}

COPY = {"unlimited": False, "reapply": False, "dry_run": False}
# What is pressed, filled in and confirmed, and what is sent then.
BUTTONS: list[tuple[str, dict[str, Any], str, str, Any]] = [
    ("Pause … Accounts", {"Reason.": "a rebuild"}, "Pause", "containers/Accounts/pause", {"reason": "a rebuild"}),
    ("Resume … GameSessions", {}, "Resume", "containers/GameSessions/resume", {"accept": False}),
    (
        "Backfill … Accounts",
        {"Budget in": "400", "Dry run": True},
        "Start",
        "backfills",
        COPY | {"containers": ["Accounts"], "dry_run": True, "max_request_units_per_second": 400},
    ),
    ("Backfill all … containers", {"Without a budget": True}, "Start", "backfills", COPY | {"unlimited": True}),
    (
        "Reconcile … Accounts",
        {"What to compare": "deep"},
        "Start",
        "reconciliations",
        {"containers": ["Accounts"], "mode": "deep", "repair": True},
    ),
    ("Replay … the parked documents of Accounts", {}, "Replay", "dead-letters/replay", {"container": "Accounts"}),
    ("Replay all … parked documents", {}, "Replay", "dead-letters/replay", {}),
    ("Pause … the backfill of UserProfiles", {}, "Pause the backfill", "backfills/backfill-running/pause", None),
    ("Cancel … the backfill of GameSessions", {}, "Cancel the backfill", "backfills/backfill-paused/cancel", None),
]


@dataclass
class Visit:
    """A page that somebody looks at, and what the browser said and asked meanwhile."""

    page: Page
    url: str
    errors: list[str] = field(default_factory=list)
    urls: list[str] = field(default_factory=list)

    def listen(self) -> None:
        """Note every error and every request."""
        self.page.on("console", lambda said: self.errors.append(said.text) if said.type == "error" else None)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("request", lambda request: self.urls.append(request.url))

    def type_key(self, key: str) -> None:
        """Type the function key."""
        self.page.get_by_label("Function key").fill(key)
        self.page.keyboard.press("Enter")

    def press(self, name: str) -> None:
        """Press the button with this name in full."""
        self.page.get_by_role("button", name=name, exact=True).click()

    def see(self, text: str, where: str = "body") -> None:
        """Wait until a text is shown."""
        self.page.locator(where).filter(has_text=text).locator("visible=true").first.wait_for()

    def read(self, where: str) -> str:
        """Return the text that is shown there."""
        return self.page.locator(where).inner_text()

    def card(self, container: str) -> Locator:
        """Return the card of a container."""
        return self.page.get_by_role("article", name=container)

    def ask_now(self) -> None:
        """Let the page ask at once, as it does when somebody comes back to its tab."""
        self.page.evaluate("() => document.dispatchEvent(new Event('visibilitychange'))")

    def has_drawn(self) -> bool:
        """Tell whether the history is drawn."""
        return bool(self.page.evaluate("() => performance.getEntriesByName('rendered').length"))


Open = Callable[..., Any]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium, started once."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def visit(browser: Browser) -> Open:
    """A way to look at the page of an app: nothing else is asked, and the browser has nothing to complain of."""

    @contextmanager
    def look(url: str, *, complaints: tuple[str, ...] = (), key: str | None = KEY, **options: Any) -> Iterator[Visit]:
        with browser.new_context(**options) as context:
            context.set_default_timeout(PATIENCE_SECONDS * 1000)
            visit = Visit(context.new_page(), url)
            visit.listen()
            visit.page.goto(f"{url}api/dashboard")
            if key is not None:
                visit.type_key(key)
            yield visit
            assert [said for said in visit.errors if not said.startswith(complaints or "\0")] == []
            assert [asked for asked in visit.urls if not asked.startswith((f"{url}api/", "data:image/svg+xml"))] == []

    return look


# ---- over answers


def test_the_verdict_and_what_to_do_first_are_at_the_top(visit: Open) -> None:
    """Then each problem, and each container with all its numbers."""
    with StubApp(dashboard_answers.troubled()) as app, visit(app.url) as seen:
        wait_until(seen.has_drawn, "the page is drawn")

        verdict, problems = seen.read("#verdict"), seen.read("#problems")
        assert verdict.splitlines()[0] == "Stopped"
        assert "Do this first. GameSessions: Check that the app runs" in verdict
        assert "unmapped type" in problems
        assert "3 documents of type Robot." in problems
        assert "counts old" not in problems
        seen.page.get_by_text("1 note: counts old").click()
        seen.see("The ledger was counted 14 minutes ago.", "#notes")
        paused = seen.card("GameSessions").inner_text()
        for words in ("40 min", "18,220", "the table is being rebuilt", "resume it before", "1,203,494", "1,203,441"):
            assert words in paused
        assert "12, the oldest for 30 h (2 discarded)" in seen.card("Accounts").inner_text()
        assert "41 of type Guest (it has a mapper now)" in seen.card("UserProfiles").inner_text()
        assert "41.7 %, about 70 min left" in seen.card("UserProfiles").inner_text()
        assert "40 missing, 2 stale; 0 repaired, 40 left" in seen.card("PendingSignups").inner_text()
        assert "Cosmos does not answer." in seen.card("PlayerScenarioScores").inner_text()
        chart = seen.card("PlayerScenarioScores").get_by_role("img").get_attribute("aria-label") or ""
        assert chart.startswith("Lag of PlayerScenarioScores. 24 hours: at most ")
        assert "Changes of GameSessions do not arrive, or were lost. 5 problems." in verdict
        assert "2 checks of 8 do not pass for phase 2" in seen.read("#readiness")
        assert "discard their letters" not in seen.read("#readiness")
        seen.page.get_by_text("What does not hold yet").click()
        assert "discard their letters" in seen.read("#readiness")
        assert seen.page.title() == "Stopped – Change data capture"


def test_what_does_not_arrive_is_named(visit: Open) -> None:
    """A degraded verdict does not say that everything arrives; the reason comes with what to type."""
    at, lock = dashboard_answers.ago(minutes=2), "PostgreSQL: LockNotAvailable (55P03)."
    problems = [
        CurrentProblem.of(Code.FEED_FAILING, lock, "UserProfiles", at),
        CurrentProblem.of(Code.FEED_BEHIND, "About 46 wait.", "UserProfiles", at),
        CurrentProblem.of(Code.FEED_BEHIND, "About 2 wait.", "Accounts", at),
        CurrentProblem.of(Code.UNMAPPED_TYPE, "1 document.", "Accounts", at, "SalesOrder"),
    ]
    answers = dashboard_answers.write([dashboard_answers.a_container(name) for name in NAMES], problems)
    with StubApp(answers) as app, visit(app.url, viewport={"width": 360, "height": 740}) as seen:
        wait_until(seen.has_drawn, "the page is drawn")

        late = "Changes of UserProfiles do not arrive. Changes of Accounts arrive late."
        assert f"{late} Those of the other containers arrive. 4 problems." in seen.read("#verdict")
        code = [each.inner_text() for each in seen.page.locator("#verdict code").all()]
        assert BLOCKERS in code
        code = [each.inner_text() for each in seen.page.locator("#problems code").all()]
        assert "READINESS_ACCEPTED_TYPES=Accounts:SalesOrder" in code
        assert "feed_failing" in code
        assert "`" not in seen.read("body")
        assert seen.page.evaluate("() => document.documentElement.scrollWidth <= innerWidth")
        assert seen.read("#phase") == "Phase 1, dual write cosmos read"
        assert re.fullmatch(r"\d\d:\d\d:\d\d", seen.read("#clock"))
        seen.see("is not tried again by itself: correct it in Cosmos, or deploy a mapper", "#letters")
        assert seen.page.locator("#letters td[data-head=Id]").all_inner_texts() == ["1", "2", "3"]


def test_a_lag_of_nothing_has_no_end_to_wait_for(visit: Open) -> None:
    """Also if a change has come in this second. Who waits long is told how long."""
    containers = [
        dashboard_answers.a_container("Accounts", backlog=1, lag_seconds=0.2, catch_up_seconds=None),
        dashboard_answers.a_container("UserProfiles", backlog=40, lag_seconds=9.0, catch_up_seconds=35.0),
        dashboard_answers.a_container("GameSessions", backlog=40, lag_seconds=9.0, catch_up_seconds=None),
    ]
    with StubApp(dashboard_answers.write(containers, [])) as app, visit(app.url) as seen:
        wait_until(seen.has_drawn, "the page is drawn")

        assert "Caught up in" not in seen.card("Accounts").inner_text()
        assert "the backlog does not shrink" not in seen.card("Accounts").inner_text()
        assert "about 35 s" in seen.card("UserProfiles").inner_text()
        assert "the backlog does not shrink" in seen.card("GameSessions").inner_text()


def test_an_app_that_must_not_replicate_takes_no_samples(visit: Open) -> None:
    """The setting is 3, and the recorded phase is 1: the page promises none, and does not say what phase 3 means."""
    problem = "MIGRATION_PHASE is 3 (postgres_only), but the recorded phase is 1. Set MIGRATION_PHASE to 1."
    answers = dashboard_answers.write(
        [dashboard_answers.a_container("Accounts", lag_seconds=89.0, backlog=30)],
        [CurrentProblem.of(Code.PHASE_MISMATCH, problem, None, dashboard_answers.ago(minutes=2))],
    )
    answers["status/history"] = {"container": "Accounts", "hours": 24, "step_seconds": 60, "samples": []}
    answers.pop("status/history?container=Accounts&hours=24")
    answers["phase"] |= {"setting": "postgres_only", "problem": problem}
    with StubApp(answers) as app, visit(app.url) as seen:
        wait_until(seen.has_drawn, "the page is drawn")

        assert f"Do this first. {problem}" in seen.read("#verdict")
        assert "none is taken now" in seen.card("Accounts").inner_text()
        seen.see("This app is set to: phase 3, postgres only.", "#phase-text")
        assert "replicates it" not in seen.read("#phase-text")


def test_a_day_of_five_containers_is_drawn_at_once(visit: Open) -> None:
    """A second is a guard: it takes a twentieth of one."""
    with StubApp(dashboard_answers.healthy()) as app, visit(app.url) as seen:
        wait_until(seen.has_drawn, "the page is drawn")

        assert seen.read("#verdict").splitlines()[0] == "Healthy"
        assert seen.page.locator("article").count() == 5
        assert seen.page.locator("article svg polyline").count() >= 5
        assert seen.page.evaluate("() => performance.getEntriesByName('rendered')[0].duration") < 1_000
        seen.card("Accounts").get_by_text("By hour").click()
        rows = seen.card("Accounts").get_by_role("row")
        wait_until(lambda: rows.count() in (25, 26), "each hour has a row")


def test_a_keyboard_can_use_it_and_axe_finds_nothing(visit: Open) -> None:
    """Before the key, with everything to say, in a dialog, and when the app is gone."""
    # The policy of the page would stop axe, too.
    troubled = StubApp(dashboard_answers.troubled())
    with troubled as app, visit(app.url, complaints=(FAILED,), key=None, bypass_csp=True) as seen:
        assert find_violations(seen.page) == []
        seen.type_key(KEY)
        wait_until(seen.has_drawn, "the page is drawn")
        for summary in seen.page.locator("article summary").all()[-1:] + seen.page.locator(".card > div summary").all():
            summary.click()
        assert find_violations(seen.page) == []
        seen.page.get_by_role("button", name="Backfill … Accounts").focus()
        seen.page.keyboard.press("Enter")
        seen.see("Start a backfill of Accounts?")
        assert find_violations(seen.page, "#dialog") == []
        seen.page.keyboard.press("Escape")
        assert seen.page.evaluate("() => document.activeElement.ariaLabel") == "Backfill … Accounts"
        app.stop()
        seen.ask_now()
        seen.see("The app cannot be reached")
        assert find_violations(seen.page, "#verdict") == []
        assert find_violations(seen.page, "#containers article") == []
        assert find_violations(seen.page, "#problems") == []
        app.start()


@pytest.mark.parametrize("options", [{"color_scheme": "dark"}, {"viewport": {"width": 360, "height": 740}}])
def test_it_is_as_good_in_the_dark_and_on_a_phone(visit: Open, options: dict[str, Any]) -> None:
    """Nothing is wider than the screen."""
    with StubApp(dashboard_answers.troubled()) as app, visit(app.url, bypass_csp=True, **options) as seen:
        wait_until(seen.has_drawn, "the page is drawn")
        assert find_violations(seen.page) == []
        assert seen.page.evaluate("() => document.documentElement.scrollWidth <= innerWidth")


def find_violations(page: Page, part: str = "html") -> list[str]:
    """Return what axe finds in a part of the page."""
    found = Axe().run(page, part).response["violations"]
    return [f"{each['id']}: {node['html']}" for each in found for node in each["nodes"]]


def test_it_says_at_once_that_the_app_is_gone_and_that_it_is_back(visit: Open) -> None:
    """And how old is what it shows: also if the app hangs, or has a problem of its own."""
    with StubApp(dashboard_answers.healthy()) as app, visit(app.url, complaints=(FAILED,)) as seen:
        wait_until(seen.has_drawn, "the page is drawn")
        app.stop()
        seen.ask_now()
        seen.see("The app cannot be reached: its host or the network is down. What you see is as of ", "#old")
        assert seen.page.locator("body.old").count() == 1
        assert seen.page.title() == "No answer – Change data capture"
        verdict = seen.read("#verdict")
        assert verdict.splitlines()[0] == "Not known: the app does not answer"
        assert re.search(r"No answer since \d\d:\d\d:\d\d, \d+ s ago\. The page asks again (now|in \d s)\.", verdict)
        assert "nothing to do" not in verdict
        assert "python -m cdc status" in verdict
        assert "a setting may be wrong" in verdict
        assert seen.page.locator("#data button:enabled").count() == 0
        app.answers["status"] = (403, None)  # what Azure says of an app that is stopped
        app.start()
        seen.ask_now()
        seen.see("The app answers with the status 403: it is stopped", "#old")
        assert seen.read("#verdict").splitlines()[0] == "Not known: the app does not answer"
        app.answers["status"] = (500, {"detail": "PostgreSQL does not answer.", "errors": []})
        seen.ask_now()
        seen.see("PostgreSQL does not answer. What you see is as of ", "#old")
        assert seen.read("#verdict").splitlines()[0] == "Not known: the app cannot say"
        app.answers |= dashboard_answers.healthy() | {"readiness": (504, None)}
        seen.ask_now()
        seen.page.locator("#old").wait_for(state="hidden")
        assert seen.page.locator("body.old").count() == 0
        assert seen.page.title() == "Healthy – Change data capture"
        assert seen.read("#verdict").splitlines()[0] == "Healthy"
        assert "There is nothing to do." in seen.read("#verdict")
        assert "asks again" not in seen.read("#verdict")
        assert seen.page.locator("#data button:disabled").count() == 0
        seen.see("The app answers with the status 504.", "#readiness")
        seen.page.evaluate(
            "() => { const real = AbortSignal.timeout; AbortSignal.timeout = () => real.call(AbortSignal, 50); }"
        )
        seen.page.route("**/api/status", lambda _: None)
        seen.ask_now()
        seen.see("The app does not answer within 10 seconds.", "#old")


def test_a_late_answer_to_an_older_key_does_not_forget_the_new_one(visit: Open) -> None:
    """When a key is renewed, the requests that are under way are refused one after the other."""
    with StubApp(dashboard_answers.healthy()) as app, visit(app.url, complaints=(FAILED,)) as seen:
        wait_until(seen.has_drawn, "the page is drawn")
        held: list[Route] = []

        def hold(route: Route) -> None:
            if route.request.headers["x-functions-key"] == KEY:
                route.continue_()
            else:
                held.append(route)

        seen.page.evaluate("() => sessionStorage.setItem('function key', 'an-older-key')")
        seen.page.route("**/api/readiness", hold)
        seen.ask_now()
        seen.see("The app refuses this key.")
        seen.type_key(KEY)
        seen.see("Healthy", "#verdict")
        for route in held:
            route.fulfill(status=401)
        seen.ask_now()
        seen.page.locator("#key").wait_for(state="hidden")
        assert seen.page.evaluate("() => sessionStorage.getItem('function key')") == KEY
        assert held


@pytest.mark.parametrize("chosen", [frozenset(), CHOICES])
def test_nothing_that_comes_from_the_app_is_markup(visit: Open, chosen: frozenset[str]) -> None:
    """Not in names, reasons, messages, types, paths or keys of a dictionary, nor in the refusal of a request."""
    answers = {path: spoil(answer, chosen) for path, answer in dashboard_answers.troubled().items() if "?" not in path}
    answers["status/history"] = spoil(
        dashboard_answers.troubled()["status/history?container=Accounts&hours=24"], chosen
    )
    refused = (409, {"title": EVIL, "detail": f"refused {EVIL}", "errors": [{"field": EVIL, "message": EVIL}]})
    with StubApp(answers) as app, visit(app.url, complaints=(FAILED,)) as seen:
        wait_until(seen.has_drawn, "the page is drawn")
        for summary in seen.page.locator("summary:visible").all():
            summary.click()
        app.taken = refused
        seen.page.get_by_role("button", name="Backfill … <img").first.click()
        assert EVIL in seen.read("#dialog-head")
        seen.page.get_by_label("Budget in request units").fill("400")
        seen.press("Start")
        seen.see("refused <img", "#dialog-problem")
        for part in ("problems", "containers", "backfills", "reconciles", "letters", "phase-text", "readiness"):
            assert EVIL in seen.read(f"#{part}"), part
        assert seen.page.evaluate("() => window.hit") is None
        assert seen.page.locator("img, iframe, object, embed, a, base, main script, main style").count() == 0


def spoil(value: Any, chosen: frozenset[str], name: str = "") -> Any:
    """Put markup into every text of an answer, except those by which the page chooses."""
    if isinstance(value, dict):
        spoiled = {key: spoil(each, chosen, key) for key, each in value.items()}
        return {EVIL: 7, **spoiled} if name == "drift" else spoiled
    if isinstance(value, list):
        return [spoil(each, chosen, name) for each in value]
    return EVIL if isinstance(value, str) and name not in chosen else value


def test_a_button_sends_what_was_confirmed_and_nothing_before(visit: Open) -> None:
    """The dialog says what will happen; to close it sends nothing."""
    with StubApp(dashboard_answers.troubled()) as app, visit(app.url) as seen:
        seen.see("GameSessions: feed dead")
        for button, fields, confirm, path, body in BUTTONS:
            seen.press(button)
            assert len(seen.read("#dialog-text")) > 30
            seen.press("Cancel")
            seen.press(button)
            for label, value in fields.items():
                _fill(seen.page.get_by_label(label), value)
            assert app.asked == []
            seen.press(confirm)
            seen.page.locator("#dialog").wait_for(state="hidden")
            assert app.asked == [(path, body)]
            assert seen.read("#notice")
            app.asked.clear()


def _fill(field_: Locator, value: str | bool) -> None:
    if value is True:
        field_.check()
    elif field_.evaluate("each => each.tagName") == "SELECT":
        field_.select_option(str(value))
    else:
        field_.fill(str(value))


def test_the_policy_allows_the_page_itself_and_nothing_else(visit: Open) -> None:
    """A script or a style that somebody got into the page would not run, and nothing goes to another host."""
    assert "unsafe" not in PAGE.headers["Content-Security-Policy"]
    assert len(PAGE.body.encode()) < 150_000
    blocked = ("Fetch API cannot load", "Connecting to 'https://example.org/' violates", "This document requires")
    with StubApp({}) as app, visit(app.url, complaints=blocked, key=None) as seen:
        seen.page.evaluate(
            """() => {
            const script = document.createElement("script");
            try { script.textContent = "window.hit = 1"; document.body.append(script); } catch (error) { }
            try { document.body.innerHTML = "<b>"; } catch (error) { window.refused = error.name; }
            return fetch("https://example.org/").catch(() => {});
        }"""
        )
        assert seen.page.evaluate("() => window.hit") is None
        assert seen.page.evaluate("() => window.refused") == "TypeError"


# ---- over the running app


@dataclass
class Stack:
    """The running app and its stores."""

    cosmos: CosmosServer
    dsn: str
    host: Part
    source: Source
    log: IO[bytes]

    def query(self, text: str) -> list[tuple[Any, ...]]:
        """Ask PostgreSQL."""
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            return connection.execute(text).fetchall()


@pytest.fixture(scope="module")
def stack(postgres_server: Postgres) -> Iterator[Stack]:
    """The app over its own stores, with a log of everything that it has to say."""
    with CosmosServer(port=0) as cosmos, tempfile.TemporaryDirectory() as state, tempfile.TemporaryFile() as log:
        for dsn in create_database(postgres_server, "migrated"):
            settings = prepare(make_settings(cosmos.connection_string, dsn) | {"BACKFILL_ACTIVITY_SECONDS": "0.2"})
            host = Part(["local.functions", "--key", KEY, "--state", state, "--verbose"], settings, log)
            source = Source.open(settings["COSMOS_CONNECTION"], settings["COSMOS_DATABASE"])
            yield Stack(cosmos, dsn, host, source, log)
            source.close()
            host.stop()


def test_it_follows_changes_and_its_buttons_work(stack: Stack, visit: Open) -> None:
    """A document arrives; a backfill is started, paused and resumed; a container is paused and resumed."""
    for number in range(30):
        stack.source.write("GameSessions", a_session(f"s{number}"))
    wait_until(lambda: Operator(stack.host.url, KEY).ask("GET", "status")[1]["verdict"] != "stopped", "changes arrive")
    # On a busy machine, the app may have no time for an answer, and says so.
    with visit(stack.host.url, complaints=(FAILED,)) as seen:
        seen.card("Accounts").wait_for()
        for number in range(3):
            stack.source.write("Accounts", an_account(f"a{number}"))
        accounts = seen.card("Accounts")
        accounts.locator("dt:has-text('Applied in PostgreSQL') + dd").filter(has_text="3").wait_for()

        with stack.cosmos.hold(operation="read_change_feed", path="/GameSessions/"):
            seen.press("Backfill … GameSessions")
            seen.page.get_by_label("Budget in request units").fill("400")
            seen.press("Start")
            seen.see("The backfill has started.", "#notice")
            seen.see("running", "#backfills")
            assert stack.query("select state from cdc.backfill") == [("running",)]
            seen.press("Pause … the backfill of GameSessions")
            seen.press("Pause the backfill")
            seen.see("paused", "#backfills")
            assert stack.query("select state from cdc.backfill") == [("paused",)]
        seen.press("Resume … the backfill of GameSessions")
        seen.press("Resume the backfill")
        seen.see("completed, 100 %", "#backfills")

        seen.press("Pause … Accounts")
        seen.page.get_by_label("Reason.").fill(EVIL)
        seen.press("Pause")
        seen.see("Degraded", "#verdict")
        accounts.get_by_text(EVIL).wait_for()
        assert stack.query("select reason from cdc.pause") == [(EVIL,)]
        seen.press("Resume … Accounts")
        seen.press("Resume")
        accounts.get_by_text(EVIL).wait_for(state="hidden")
        assert stack.query("select count(*) from cdc.pause") == [(0,)]
        assert seen.page.evaluate("() => window.hit") is None


def test_the_key_stays_in_the_tab(stack: Stack, visit: Open) -> None:
    """A wrong one is refused and forgotten. The right one is in no address, in no other tab, and in no log."""
    with visit(stack.host.url, complaints=(FAILED,), key="wrong-key") as seen:
        seen.see("The app refuses this key.")
        assert seen.page.evaluate("() => sessionStorage.length") == 0
        seen.type_key(KEY)
        wait_until(seen.has_drawn, "the page is drawn")
        other = seen.page.context.new_page()
        other.goto(f"{stack.host.url}api/dashboard")
        assert other.get_by_label("Function key").is_visible()
        assert other.evaluate("() => sessionStorage.length + localStorage.length + document.cookie.length") == 0
        seen.page.reload()
        seen.see("PostgreSQL", "#verdict")
        seen.press("Forget the key")
        assert seen.page.get_by_label("Function key").is_visible()
        assert seen.page.evaluate("() => sessionStorage.length + history.length") == other.evaluate(
            "() => history.length"
        )
        assert [url for url in (*seen.urls, seen.page.url) if KEY in url] == []
    stack.log.seek(0)
    log = stack.log.read().decode()
    assert "dashboard" in log
    assert KEY not in log

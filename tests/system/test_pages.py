"""The pages in a real browser, from a real API server behind a path, with the data of real task runs."""

from __future__ import annotations

import queue
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

import pytest
from airflow.utils.session import create_session

from airflow_provider_campaigns.rules.html_preview import preview
from tests.support.airflow_runs import dag, start
from tests.support.airflow_versions import needs_pages
from tests.support.api_server import COOKIE, ApiServer, api_server
from tests.support.browser import chromium

pytestmark = [needs_pages, pytest.mark.airflow_processes, pytest.mark.usefixtures("database")]

NOW = int(time.time())
CAMPAIGN = "019e18e2-a52f-78e7-96f2-b33ee19bb50a"
LINK = {"_link_CleaningReportLink": "/campaigns/report/"}
BEFORE = '<h1>Spring</h1><p>Hi {{firstName}}</p><img src="https://a.test/pixel.gif">'
GONE = "https://a.test/gone"
ANALYSIS: dict[str, Any] = {
    "campaign_id": "e8c8af95-c033-11ed-9848-003048d8d536",
    "campaign_name": "Spring newsletter",
    "broken_links": 1,
    "all_link_list": [{"link_url": GONE, "link_status": "404", "link_is_broken": True}],
    "spam_keyword_list": [{"keyword": "act now", "count": 3}],
    "image_list": [{"image_url": "https://a.test/hero.jpg", "image_width": 1200}],
    "os_image_list": [{"image_url": "https://a.test/hero.jpg", "image_width": 1200}],
    "all_capitalized_word_ratio": 0.06,
    "html_path": "s3://bucket/spring.html?X-Amz-Signature=s3cret",
    "damage": ["image https://a.test/pixel.gif"],
}
CHECKS = {
    "campaign_id": ANALYSIS["campaign_id"],
    "campaign_name": ANALYSIS["campaign_name"],
    "checks": [
        {"threshold": "max_broken_links", "limit": 0, "value": 1, "offending": [GONE], "is_broken": True},
        {"threshold": "max_capitals_ratio", "limit": 0.1, "value": 0.06, "offending": [], "is_broken": False},
    ],
}
GET = {"return_value": ANALYSIS, "html_preview": preview(BEFORE, "<h1>Spring</h1>", ANALYSIS["damage"])}


def responding(body: Any) -> Any:
    """Return what answers a request with this body, or by this function."""
    return body if callable(body) else lambda route: route.fulfill(json=body)


def with_a_deleted_asset(route: Any) -> None:
    listed = route.fetch().json()
    deleted = {**listed["assets"][-1], "id": 999_999, "watchers": [{}]}
    route.fulfill(json={"assets": [deleted, *listed["assets"]], "total_entries": listed["total_entries"] + 1})


def uuid(number: int) -> str:
    return str(UUID(int=number))


def board(campaigns: dict[str, list[Any]], minutes_ago: float = 1, **fields: Any) -> dict[str, Any]:
    checked_at = NOW - int(minutes_ago * 60)
    value = {"v": 1, "kind": "campaign", "checked_at": checked_at, "intent": "send", "campaigns": campaigns}
    return {"campaigns_verdict": {**value, **fields}}


def push(dag_id: str = "pages", **xcoms: dict[str, Any]) -> str:
    """Run a Dag whose tasks push these XComs, and return the id of the run."""
    return str(start(dag(dag_id), **xcoms).run_id)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as started:
        yield started


@pytest.fixture(scope="module")
def server(browser: Any, database: None) -> Iterator[ApiServer]:
    with api_server("/airflow") as started:
        yield started


@pytest.fixture(scope="module")
def viewer(server: ApiServer) -> str:
    return server.token("VIEWER")


@pytest.fixture(scope="module")
def nobody(server: ApiServer) -> str:
    return server.token("")


@dataclass
class Opened:
    """A page in the browser.

    :ivar problems: the errors in its console.
    :ivar hosts: what it sent requests to.
    :ivar expects_errors: whether the browser reports what the test does as an error.
    :ivar allowed: what it may send requests to besides Airflow.
    """

    page: Any
    problems: list[str] = field(default_factory=list)
    hosts: set[str] = field(default_factory=set)
    allowed: set[str] = field(default_factory=set)
    expects_errors: bool = False

    def text(self) -> str:
        return str(self.page.inner_text("main"))

    def wait(self, text: str) -> None:
        self.page.get_by_text(text).first.wait_for()

    @property
    def is_too_wide(self) -> bool:
        width = "document.documentElement.scrollWidth > document.documentElement.clientWidth"
        return bool(self.page.evaluate(width))


@pytest.fixture
def visit(browser: Any, server: ApiServer, viewer: str) -> Iterator[Any]:
    """Open a page of Airflow, and check at the end that the browser reported no error."""
    opened: list[Opened] = []
    contexts = []

    def open_page(path: str, token: str | None = viewer, *, routes: Any = None, **options: Any) -> Opened:
        context = browser.new_context(**options)
        context.set_default_timeout(120_000)
        contexts.append(context)
        if token is not None:
            context.add_cookies([{"name": COOKIE, "value": token, "url": server.url}])
        each = Opened(context.new_page())
        opened.append(each)
        each.page.on("pageerror", lambda error: each.problems.append(str(error)))
        each.page.on(
            "console",
            lambda message: each.problems.append(message.text) if message.type == "error" else None,
        )
        each.page.on("request", lambda request: each.hosts.add(request.url.split("/")[2]))
        for pattern, body in (routes or {}).items():
            context.route(pattern, responding(body))
        each.page.goto(f"{server.url}/campaigns/{path}")
        if not path.startswith("../"):
            each.page.wait_for_selector("main:not([aria-busy]):not(:has([aria-busy]))")
        return each

    yield open_page
    for context in contexts:
        context.close()
    host = server.url.split("/")[2]
    for each in opened:
        assert each.expects_errors or each.problems == []
        assert each.hosts <= {host} | each.allowed


def report_of(run_id: str, task_id: str = "get", dag_id: str = "pages") -> str:
    task = {"dag_id": dag_id, "run_id": run_id, "task_id": task_id, "map_index": -1}
    return f"report/?{urlencode(task)}"


def violations(page: Any) -> list[str]:
    """Return the serious violations that axe-core finds."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-core is not installed")
    found = axe.Axe().run(page, options={"iframes": False}).response["violations"]
    serious = [each for each in found if each["impact"] in ("serious", "critical")]
    return [f"{each['id']}: {each['nodes'][0]['html'][:200]}" for each in serious]


@pytest.fixture(scope="module")
def cleaned(server: ApiServer) -> str:
    """A run that cleaned a campaign and checked it."""
    return push(
        get={**GET, **LINK},
        gate={"return_value": {"passed": False, "breaches": []}, "quality_checks": CHECKS, **LINK},
    )


class TestReport:
    @pytest.mark.parametrize("task_id", ["get", "gate"])
    def test_report_has_what_both_tasks_know(self, visit: Any, cleaned: str, task_id: str) -> None:
        opened = visit(report_of(cleaned, task_id))
        text = opened.text()
        for shown in (
            "Spring newsletter", "1 of 2 thresholds broken", "too high", "at most 0", "https://a.test/gone",
            "404", "act now", "1,200 px wide", "image https://a.test/pixel.gif", "s3://bucket/spring.html?…",
        ):  # fmt: skip
            assert shown in text
        assert "s3cret" not in text
        assert opened.page.get_by_role("img", name="Broken links: 1, at most 0").count() == 1
        row = opened.page.get_by_role("row", name="Images").inner_text().split()
        assert row == ["Images", "1", "0", "\N{MINUS SIGN}1"]

    def test_frames_show_both_versions_and_images_on_a_click_only(self, visit: Any) -> None:
        with listener() as tracker:
            html = BEFORE.replace("https://a.test", f"http://{tracker.host}")
            opened = visit(report_of(push(get={"html_preview": preview(html, html, []), **LINK})))
            before = opened.page.frame_locator('[title="Before cleaning"]').frame_locator("iframe")
            before.get_by_text("Hi {{firstName}}").wait_for()
            assert tracker.connections == 0
            opened.allowed.add(tracker.host)
            opened.page.get_by_role("button", name="Load images").click()
            request = tracker.request()
            # Neither who looks at it, nor where; the cookie of Airflow would be valid on this host.
            assert request.startswith(b"GET /pixel.gif")
            assert b"cookie:" not in request.lower()
            assert b"referer:" not in request.lower()
        opened.expects_errors = True  # the image is not one

    @pytest.mark.parametrize(
        ("path", "shown"),
        [
            ("report/", "This link is not complete"),
            ("report/?dag_id=pages&run_id=r&task_id=get&map_index=x", "It does not say map_index."),
        ],
    )
    def test_incomplete_link_says_what_is_missing(self, visit: Any, path: str, shown: str) -> None:
        assert shown in visit(path).text()

    @pytest.mark.parametrize("dag_id", ["pages", "..", "no such Dag"])
    def test_link_to_nothing_says_so(self, visit: Any, dag_id: str) -> None:
        opened = visit(report_of("no such run", dag_id=dag_id))
        assert "Not found" in opened.text()
        opened.expects_errors = True  # the browser reports the response 404

    def test_task_without_a_result_says_so(self, visit: Any) -> None:
        assert "The task is success" in visit(report_of(push())).text()

    def test_result_in_another_xcom_backend_says_where(self, visit: Any) -> None:
        run_id = push(get={"return_value": "s3://xcoms/pages/get.json", **LINK})
        assert "s3://xcoms/pages/get.json" in visit(report_of(run_id)).text()

    @pytest.mark.parametrize("value", [[], {}, {"image_list": [1, None, {"image_url": {}}]}, 7])
    def test_unusual_analysis_is_shown_as_far_as_possible(self, visit: Any, value: Any) -> None:
        opened = visit(report_of(push(get={"return_value": value, "quality_checks": value, **LINK})))
        assert "Before and after" in opened.text()

    def test_printed_report_has_no_buttons_and_is_white(self, visit: Any, cleaned: str) -> None:
        opened = visit(report_of(cleaned))
        opened.page.evaluate("document.documentElement.dataset.theme = 'dark'")
        opened.page.emulate_media(media="print")
        assert not opened.page.get_by_role("button").filter(visible=True).count()
        # On white paper, whatever the theme.
        colour = "getComputedStyle(document.querySelector('section')).backgroundColor"
        assert opened.page.evaluate(colour) == "rgb(255, 255, 255)"


class Listener:
    """A server that counts the connections to it, and closes them without a response."""

    def __init__(self) -> None:
        self.connections = 0
        self._requests: queue.Queue[bytes] = queue.Queue()
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.host = f"127.0.0.1:{self._socket.getsockname()[1]}"
        threading.Thread(target=self._count, daemon=True).start()

    def _count(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            self.connections += 1
            with connection, suppress(OSError):
                connection.settimeout(60)
                self._requests.put(connection.recv(65536))

    def request(self) -> bytes:
        """Wait for a request, and return it."""
        return self._requests.get(timeout=120)

    def close(self) -> None:
        self._socket.close()


@contextmanager
def listener() -> Iterator[Listener]:
    started = Listener()
    try:
        yield started
    finally:
        started.close()


RELS = (
    "dns-prefetch",
    "preconnect",
    "prefetch",
    "preload",
    "modulepreload",
    "prerender",
    "stylesheet",
    "icon",
    "manifest",
)


def hostile(host: str) -> str:
    return f"""<html onclick="top.ran=1"><head>
        <meta http-equiv="refresh" content="0;url=http://{host}/refresh">
        <base href="http://{host}/" target="_top">
        {"".join(f'<link rel="{rel}" href="http://{host}/{rel}">' for rel in RELS)}
        <style>@import "http://{host}/import.css"; @\\69mport url(http://{host}/escaped.css);
        @font-face {{font-family: x; src: url(http://{host}/font)}}
        @media all {{p {{font-family: x; background: url('http://{host}/(paragraph).png')}}}}
        p::after {{content: image-set("http://{host}/set.png" 1x);
        cursor: u\\72l(http://{host}/c), auto}}
        :root {{--image: url(http://{host}/variable.png)}} body {{border-image: var(--image)}}</style></head>
        <body onload="top.ran=1" background="http://{host}/back.png"><p>The newsletter</p>
        <script>top.ran = 1; parent.parent.ran = 1; fetch("http://{host}/fetch"); open("http://{host}/")</script>
        <img src="http://{host}/pixel.gif" srcset="http://{host}/2x.gif 2x" onerror="top.ran=1"
        attributionsrc="http://{host}/attribution"><picture><source srcset="http://{host}/3x.gif"><img></picture>
        <input type="image" src="http://{host}/input.png"><table background="http://{host}/table.png"></table>
        <svg onload="top.ran=1"><script>top.ran=1</script><image href="http://{host}/svg.png"/>
        <image><set attributeName="href" to="http://{host}/set.png"/></image><rect fill="url(http://{host}/#x)"/>
        <use href="http://{host}/use.svg#x"/><style>@import "http://{host}/svg.css";</style>
        <a xlink:href="javascript:top.ran=1"><text y="20">Svg</text></a></svg>
        <video poster="http://{host}/poster.png" src="http://{host}/video" autoplay></video>
        <iframe src="http://{host}/frame" srcdoc="<script>top.ran=1</script>"></iframe>
        <object data="http://{host}/object"></object><embed src="http://{host}/embed">
        <form action="http://{host}/form"><input name="password" autofocus onfocus="top.ran=1">
        <button>Send</button></form>
        <a href="http://{host}/link" ping="http://{host}/ping" target="_top">A link</a>
        <a href="javascript:top.ran=1">A script</a><details open ontoggle="top.ran=1"></details>
        <template shadowrootmode="open"><link rel="preconnect" href="http://{host}"></template>
        <div style="position:fixed;inset:0;pointer-events:none;background:url(http://{host}/div.png)"></div>
        <math href="javascript:top.ran=1"><mtext><table><mglyph><style><!--</style>
        <img title="--&gt;&lt;link rel=preconnect href=http://{host}&gt;&lt;img src=x onerror=top.ran=1&gt;">
        </mglyph></table></mtext></math>
        <p>{"long " * 1_000_000}</p>"""


class TestHostileCampaign:
    NAME = '<img src=x onerror="top.ran=1"></title><script>top.ran=1</script>' + "w" * 3000

    def test_nothing_runs_and_nothing_is_asked_for(self, visit: Any) -> None:
        with listener() as evil:
            html = hostile(evil.host)
            assert len(html) > 5_000_000
            url = f"javascript:top.ran=1//{evil.host}"
            analysis = {
                **ANALYSIS,
                "campaign_name": self.NAME,
                "all_link_list": [{"link_url": url, "link_is_broken": True}] * 5000,
                "blacklisted_links": [self.NAME],
                "campaign_html": html[:10_000],
                "html_path": self.NAME,
            }
            run_id = push(get={"return_value": analysis, "html_preview": preview(html, html, [self.NAME])})
            opened = visit(report_of(run_id), viewport={"width": 390, "height": 800})
            inside = opened.page.frame_locator('[title="Before cleaning"]').frame_locator("iframe")
            for text in ("A link", "A script", "Svg", "Send"):
                inside.get_by_text(text).click(force=True)
            opened.page.wait_for_timeout(1000)
            assert opened.page.evaluate("window.ran") is None
            assert evil.connections == 0
            assert "only the beginning of" in opened.text()
            assert "and 4,900 more" in opened.text()
            assert not opened.is_too_wide
            assert opened.page.locator("main a[href^=javascript]").count() == 0

    def test_board_shows_a_name_that_is_html_as_text(self, visit: Any) -> None:
        push(gate=board({uuid(66): [self.NAME, "closed", 1e300, 1e300, self.NAME, self.NAME]}))
        push(gate=board({"../../../auth/logout": ["healthy", "open", "now", {}, [], 7]}))
        opened = visit("#q=000000000042", viewport={"width": 390, "height": 800})
        assert '<img src=x onerror="top.ran=1">' in opened.text()
        assert opened.page.evaluate("window.ran") is None
        assert not opened.is_too_wide


@pytest.fixture(scope="module")
def checked(server: ApiServer) -> str:
    """The Dag that checked three campaigns twice, for the search."""
    rows = {
        uuid(1): ["healthy", "open", None, NOW - 60, "Autumn", None],
        uuid(2): ["all_accounts_unhealthy", "closed", NOW - 7200, NOW - 60, "Spring", "Reconnect."],
        uuid(3): ["daily_limit_met", "wait", None, NOW - 60, None, None],
    }
    healthy = {each: ["healthy", "open", None, None, None, None] for each in rows}
    push("pages_of_others", gate=board(healthy, minutes_ago=90))
    push("pages_of_others", gate=board(rows))
    return "pages_of_others"


@pytest.mark.usefixtures("checked")
class TestBoard:
    def rows(self, opened: Opened) -> list[str]:
        return [row.inner_text() for row in opened.page.locator("tbody tr").all()]

    def test_what_needs_a_person_comes_first(self, visit: Any) -> None:
        opened = visit("#q=pages_of_others")
        spring, waiting, autumn = self.rows(opened)
        assert "Spring" in spring
        assert "Reconnect." in spring
        assert "2 hours" in spring
        assert "daily_limit_met" in waiting
        assert "Campaign without a known name" in waiting
        assert "Autumn" in autumn
        strip = "Last verdicts, oldest first: healthy, needs a person"
        assert opened.page.get_by_role("img", name=strip).count() == 1
        run = opened.page.get_by_role("link", name="Run of Spring in Airflow").get_attribute("href")
        assert "/airflow/dags/pages_of_others/runs/manual__" in run
        assert run.endswith("/tasks/gate")
        link = opened.page.get_by_role("link", name="Spring in Instantly").get_attribute("href")
        assert link == f"https://app.instantly.ai/app/campaign/{uuid(2)}/analytics"

    def test_filter_and_search_work_with_the_keyboard_and_stay(self, visit: Any) -> None:
        opened = visit("")
        tile = opened.page.get_by_role("button", name="Needs a person")
        tile.focus()
        opened.page.keyboard.press("Enter")
        assert tile.get_attribute("aria-pressed") == "true"
        assert opened.page.evaluate("document.activeElement.dataset.state") == "closed"
        opened.page.get_by_role("searchbox").fill("spring unhealthy")
        assert len(self.rows(opened)) == 1
        opened.page.reload()
        opened.wait("Reconnect.")
        assert len(self.rows(opened)) == 1

    def test_refresh_shows_a_new_verdict(self, visit: Any) -> None:
        opened = visit(f"#q={uuid(9)}")
        assert self.rows(opened) == []
        push(gate=board({uuid(9): ["healthy", "open", None, None, "New", None]}))
        opened.page.get_by_role("button", name="Refresh").click()
        opened.wait("New")

    def test_gate_with_another_campaign_in_each_run_shows_all(self, visit: Any) -> None:
        task = {"dag_id": "each", "task_id": "gate", "map_index": -1}
        entries = [{**task, "run_id": uuid(each), "timestamp": f"2026-11-{each:02}"} for each in range(1, 31)]

        def value(route: Any) -> None:
            campaign_id = route.request.url.split("/")[-5]
            (xcom,) = board({campaign_id: ["healthy", "open", None, NOW, None, None]}).values()
            route.fulfill(json={"value": xcom})

        routes = {
            "**/xcomEntries?**": {"xcom_entries": entries, "total_entries": len(entries)},
            "**/xcomEntries/campaigns_verdict?**": value,
        }
        opened = visit("#q=each", routes=routes)
        assert len(self.rows(opened)) == len(entries)

    def test_board_that_is_not_complete_says_so(self, visit: Any) -> None:
        entry = {"dag_id": "a", "run_id": "b", "task_id": "c", "map_index": -1, "timestamp": "2026-11-30"}
        routes = {"**/xcomEntries?**": {"xcom_entries": [entry], "total_entries": 51}}
        opened = visit("", routes=routes)
        assert "more verdicts than were read" in opened.text()
        opened.expects_errors = True  # Airflow does not have that XCom

    def test_outage_of_airflow_keeps_what_was_read_and_says_so(self, visit: Any) -> None:
        opened = visit("#q=pages_of_others")
        opened.page.context.route("**/xcomEntries?**", lambda route: route.fulfill(status=503))
        opened.page.get_by_role("button", name="Refresh").click()
        opened.wait("Airflow does not respond. The board shows what was read before.")
        assert len(self.rows(opened)) == 3
        opened.expects_errors = True  # the browser reports the response 503

    def test_board_of_nothing_says_how_to_fill_it(self, visit: Any) -> None:
        nothing = {
            "**/xcomEntries?**": {"xcom_entries": [], "total_entries": 0},
            "**/assets?**": {"assets": [], "total_entries": 0},
        }
        text = visit("", routes=nothing).text()
        assert "No campaign in the last 7 days" in text
        assert 'InstantlyHealthReportOperator(task_id="check_all")' in text

    def test_2000_campaigns_are_counted_and_drawn_in_part(self, visit: Any) -> None:
        rows = {uuid(10_000 + each): ["healthy", "open", None, NOW, "Mass", None] for each in range(2000)}
        push(gate=board(rows, left_out=7))
        opened = visit("#q=mass")
        assert "7 more did not fit into their report" in opened.text()
        assert opened.text().count("Mass") == 100
        opened.page.get_by_role("button", name="Show 1,900 more").click()
        assert opened.page.locator("tbody tr").count() == 2000

    def test_watchers_are_on_the_board(self, visit: Any) -> None:
        store = pytest.importorskip("airflow.models.asset_state_store", reason="came with Airflow 3.3")
        from airflow.models.asset import AssetModel, AssetWatcherModel
        from airflow.models.trigger import Trigger

        position = f'{{"v": 1, "campaigns": {{"{uuid(5)}": ["campaign_paused", "closed", "2026-01-01", 1]}}}}'
        key = "position:InstantlyHealthChangedTrigger"
        with create_session() as session:
            asset, trigger = AssetModel(name="health", uri="health"), Trigger("x", {})
            session.add_all([asset, trigger])
            session.flush()
            session.add(AssetWatcherModel(name="health", asset_id=asset.id, trigger_id=trigger.id))
            session.add(store.AssetStateStoreModel(asset_id=asset.id, key=key, value=position))
            from airflow.models.asset import AssetActive

            session.add(AssetActive.for_asset(asset))
        # Whoever may write events may write others than a watcher.
        event = {"extra": {"payload": {"campaign_id": 7}}, "timestamp": "2026-11-30"}
        routes = {"**/assets/events?**": {"asset_events": [event], "total_entries": 1}}
        opened = visit(f"#q={uuid(5)}", routes=routes)
        (row,) = self.rows(opened)
        assert "campaign_paused" in row
        # An asset that was deleted since keeps no other one from the board.
        opened.page.context.route("**/assets?**", with_a_deleted_asset)
        opened.page.reload()
        opened.wait("campaign_paused")
        assert "Somebody paused the campaign" in row
        assert opened.page.get_by_role("link", name="Asset that watches").count() == 1
        opened.expects_errors = True  # the browser reports the response 404


class TestEveryPage:
    @pytest.mark.parametrize("page", ["board", "report"])
    @pytest.mark.parametrize("scheme", ["light", "dark"])
    def test_axe_finds_no_serious_violation(
        self, visit: Any, cleaned: str, checked: str, page: str, scheme: str
    ) -> None:
        path = f"#q={checked}" if page == "board" else report_of(cleaned)
        opened = visit(path, color_scheme=scheme)
        assert violations(opened.page) == []
        opened.page.set_viewport_size({"width": 360, "height": 740})
        assert violations(opened.page) == []

    @pytest.mark.parametrize("page", ["board", "report"])
    def test_phone_needs_no_sideways_scrolling(self, visit: Any, cleaned: str, page: str) -> None:
        path = "" if page == "board" else report_of(cleaned)
        assert not visit(path, viewport={"width": 360, "height": 740}).is_too_wide

    @pytest.mark.parametrize("page", ["board", "report"])
    @pytest.mark.usefixtures("checked")
    def test_user_without_permission_sees_nothing(
        self, visit: Any, nobody: str, cleaned: str, page: str
    ) -> None:
        opened = visit("" if page == "board" else report_of(cleaned), nobody)
        assert "No access" in opened.text()
        assert "Spring" not in opened.text()
        opened.expects_errors = True  # the browser reports the response 403

    def test_user_who_is_not_signed_in_can_sign_in(self, visit: Any, server: ApiServer) -> None:
        opened = visit("", None)
        href = opened.page.get_by_role("link", name="Sign in to Airflow").get_attribute("href")
        assert href.startswith(f"{server.url}/api/v2/auth/login?next=http")
        opened.expects_errors = True  # the browser reports the response 401

    def test_airflow_has_the_menu_entry(self, visit: Any, server: ApiServer) -> None:
        opened = visit("../")
        opened.page.get_by_role("button", name="Browse").click()
        entry = opened.page.get_by_role("menuitem", name="Campaigns")
        assert entry.evaluate("each => each.href") == f"{server.url}/campaigns/"
        opened.expects_errors = True  # Airflow's own

"""Every call of Campaign Cleaner at a real server: as it arrives, what comes of it, and how it fails."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import tracemalloc
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from typing import Any

import pytest

from airflow_provider_campaigns.api import campaign_cleaner as api
from airflow_provider_campaigns.api.campaign_cleaner import (
    Campaign,
    CampaignSettings,
    CampaignState,
    CampaignStatus,
    InboxTest,
    InboxTestResults,
    InboxTestState,
    SurroundingDiv,
)
from airflow_provider_campaigns.exceptions import (
    ApiError,
    MalformedResponseError,
    RejectedError,
    ServiceUnavailableError,
)
from airflow_provider_campaigns.hooks.base import user_agent
from airflow_provider_campaigns.hooks.campaign_cleaner import CampaignCleanerHook
from airflow_provider_campaigns.transport import retry
from airflow_provider_campaigns.transport.retry import NO_RETRY
from tests.conftest import KEY
from tests.support.fake_server import Reply, ScriptedServer
from tests.unit.hooks.every_call import (
    Failure,
    PromptServer,
    Row,
    body_of,
    calls_of,
    failures,
    headers_of,
    in_the_triggerer,
    methods_of,
    on_a_worker,
)

ID = "e8c8af95-c033-11ed-9848-003048d8d536"
HTML = "<p>Hi {{firstName}}, né \U0001f338</p>"
LISTED = {
    "id": ID,
    # JSON spells what is beyond 16 bits as two halves.
    "campaign_name": "Spring \U0001f338",
    "status": "completed",
    "date_added": "2023-02-23T12:02:46-05:00",
}
STATUS = CampaignStatus(
    ID, "completed", "Spring \U0001f338", datetime(2023, 2, 23, 17, 2, 46, tzinfo=timezone.utc)
)
ANALYSIS = {"campaign_id": ID, "broken_links": 1, "all_link_list": [{"link_url": "https://a.example"}]}
PDF = b"%PDF-1.4\n\xff\x00 not to be touched\r\n%%EOF\n"
SEEDS = {"job_id": "test-7", "send_to": ["a@seeds.test", "b@seeds.test"], "expires": "soon"}
RESULTS = {
    "job_id": "test-7",
    "test_name": "Spring",
    "submitted_by": "you@example.org",
    "status": "Processing",
    "summary": {
        "total_seeds": 10, "received": 4, "inbox": 3, "spam": 1, "unknown_placement": 0, "pending": 6,
        "inbox_rate": 30, "spam_rate": 10.5,
    },
    "results": [{"provider": "Gmail", "email_found": True, "placement": "Inbox"}],
}  # fmt: skip
READ_RESULTS = InboxTestResults(
    job_id="test-7",
    status="processing",
    test_name="Spring",
    total_seeds=10,
    received=4,
    inbox=3,
    spam=1,
    pending=6,
    unknown_placement=0,
    inbox_rate=30,
    spam_rate=10.5,
    results=({"provider": "Gmail", "email_found": True, "placement": "Inbox"},),
    raw=RESULTS,
)


def pdf(body: bytes = PDF, content_type: str = "application/pdf") -> Reply:
    return Reply(body, headers={"Content-Type": content_type})


ROWS = [
    Row(
        "send_campaign",
        {"campaign_html": HTML, "campaign_name": "Spring"},
        "POST",
        "/v1/send_campaign",
        {"campaign": {"id": ID, "status": "processing"}},
        ID,
        {"send_campaign": {"campaign_html": HTML, "campaign_name": "Spring"}},
        read=False,
    ),
    Row(
        "send_campaign",
        {
            "campaign_html": HTML,
            "campaign_name": "Spring",
            "custom_info": "run 7",
            "webhook_url": "https://example.org/hook?x=1",
            "settings": {"inline_css": False, "minify_html": None, "min_font_size_allowed": 9},
        },
        "POST",
        "/v1/send_campaign",
        {"campaign": {"id": ID}},
        ID,
        {
            "send_campaign": {
                "campaign_html": HTML,
                "campaign_name": "Spring",
                "custom_info": "run 7",
                "webhook_url": "https://example.org/hook?x=1",
                "inline_css": False,
                "min_font_size_allowed": 9,
            }
        },
        read=False,
    ),
    Row(
        "get_campaign_status",
        {"campaign_id": ID},
        "POST",
        "/v1/get_campaign_status",
        {"campaign_status": LISTED},
        STATUS,
        {"campaign": {"id": ID}},
    ),
    Row(
        "get_campaign",
        {"campaign_id": ID},
        "POST",
        "/v1/get_campaign",
        {"campaign": {**ANALYSIS, "campaign_html": HTML}},
        Campaign(ID, HTML, ANALYSIS),
        {"campaign": {"id": ID, "minimize_html": True}},
    ),
    Row(
        "get_campaign",
        {"campaign_id": ID, "minimize_html": False},
        "POST",
        "/v1/get_campaign",
        {"campaign": {**ANALYSIS, "campaign_html": HTML}},
        Campaign(ID, HTML, ANALYSIS),
        {"campaign": {"id": ID, "minimize_html": False}},
    ),
    Row("get_campaign_list", {}, "GET", "/v1/get_campaign_list", {"campaign_list": [LISTED]}, [STATUS]),
    Row(
        "get_campaign_states",
        {},
        "GET",
        "/v1/get_campaign_list",
        {"campaign_list": [LISTED, {**LISTED, "id": "B-2", "status": " Paused "}]},
        {ID: CampaignStatus(ID, "completed"), "b-2": CampaignStatus("b-2", "paused")},
    ),
    Row(
        "find_campaign",
        {"word": "AF-1"},
        "GET",
        "/v1/get_campaign_list",
        {"campaign_list": [7, {"id": "A"}, {"id": "B", "campaign_name": "Spring af-1"}, LISTED]},
        "B",
    ),
    Row(
        "get_campaign_ids",
        {},
        "GET",
        "/v1/get_campaign_list",
        {"campaign_list": [7, {"id": "B-2", "status": None}, LISTED]},
        frozenset({"b-2", ID.lower()}),
    ),
    Row("get_credits", {}, "GET", "/v1/get_credits", {"credits": 987}, 987),
    Row(
        "get_campaign_pdf_analysis",
        {"campaign_id": ID},
        "POST",
        "/v1/get_campaign_pdf_analysis",
        pdf(),
        PDF,
        {"campaign": {"id": ID}},
        accept="application/pdf, application/json",
    ),
    Row(
        "delete_campaign",
        {"campaign_id": ID},
        "POST",
        "/v1/delete_campaign",
        {"status": "success"},
        None,
        {"campaign": {"id": ID}},
        read=False,
    ),
    Row(
        "create_inbox_test",
        {},
        "POST",
        "/v1/create_inbox_test",
        SEEDS,
        InboxTest("test-7", ("a@seeds.test", "b@seeds.test"), raw=SEEDS),
        {},
        read=False,
    ),
    Row(
        "create_inbox_test",
        {"test_name": "Spring", "providers": ["Gmail"], "region": None},
        "POST",
        "/v1/create_inbox_test",
        SEEDS,
        InboxTest("test-7", ("a@seeds.test", "b@seeds.test"), raw=SEEDS),
        {"test_name": "Spring", "providers": ["Gmail"]},
        read=False,
    ),
    Row(
        "get_inbox_test_results",
        {"job_id": "test-7"},
        "POST",
        "/v1/get_inbox_test_results",
        RESULTS,
        READ_RESULTS,
        {"job_id": "test-7"},
    ),
]
ONE_OF_EACH = {row.name: row for row in ROWS}
FAILURES = {
    **failures(lambda status, said: {"error": said}),
    "200 error": Failure(Reply({"error": f"No credits for {KEY}"}), RejectedError, "No credits for ***"),
    "200 Error": Failure(Reply({"Error": "no", "status": "failure"}), RejectedError, "no"),
    "200 ERROR object": Failure(
        Reply({"ERROR": {"code": 7, "Message": "slow down"}}), RejectedError, "slow down"
    ),
    "200 error and more": Failure(
        Reply({"error": "no", "campaign_list": [LISTED], "credits": 5, "job_id": "x"}), RejectedError, "no"
    ),
}


@pytest.fixture(scope="module")
def _running() -> Iterator[ScriptedServer]:
    with PromptServer() as running:
        yield running


@pytest.fixture
def server(_running: ScriptedServer) -> ScriptedServer:
    """One server for all of these tests, which are many; each finds it as if nothing had reached it."""
    _running.requests.clear()
    return _running


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retry, "INITIAL_BACKOFF", 0.001)


def test_every_call_and_every_method_of_the_hook_has_a_row() -> None:
    assert ONE_OF_EACH.keys() == calls_of(api)
    of_the_form = {"test_connection", "aget_campaign_status"}
    of_the_api = {"get_campaign_ids", "get_campaign_states"}
    assert methods_of(CampaignCleanerHook) - of_the_form == ONE_OF_EACH.keys() - of_the_api


@pytest.mark.parametrize("make", [on_a_worker, in_the_triggerer])
@pytest.mark.parametrize("row", ROWS, ids=str)
def test_a_call_arrives_as_documented_and_its_answer_is_read(
    connections: ScriptedServer, make: Callable[..., Any], row: Row
) -> None:
    connections.play(row.answer)
    returned = make(CampaignCleanerHook(), api, row)
    (request,) = connections.requests
    assert (request.method, request.path, body_of(request)) == (row.method, row.path, row.body)
    assert headers_of(request) == {**row.own_headers, "x-cc-api-key": KEY, "user-agent": user_agent()}
    assert returned == row.returned


@pytest.mark.parametrize("failure", FAILURES)
@pytest.mark.parametrize("row", ONE_OF_EACH.values(), ids=ONE_OF_EACH)
def test_a_failed_call_says_what_failed_and_is_repeated_only_where_that_is_safe(
    connections: ScriptedServer, row: Row, failure: str
) -> None:
    expected = FAILURES[failure]
    connections.play(expected.reply)
    with pytest.raises(ApiError) as raised:
        on_a_worker(CampaignCleanerHook(), api, row)
    assert type(raised.value) is expected.error
    told = str(raised.value)
    assert expected.told in told
    assert "'campaign_cleaner_default'" in told
    assert row.path.removeprefix("/v1/") in told
    assert KEY not in json.dumps(raised.value.as_dict()) + repr(raised.value)
    assert raised.value.retry_after == expected.retry_after
    assert len(connections.requests) == (5 if expected.heals and row.read else 1)


@pytest.mark.parametrize("row", [row for row in ONE_OF_EACH.values() if row.read], ids=lambda row: row.name)
def test_a_read_survives_four_failures(connections: ScriptedServer, row: Row) -> None:
    connections.play(*[Reply({}, status=500), Reply({}, status=429)] * 2, row.answer)
    assert on_a_worker(CampaignCleanerHook(), api, row) == row.returned
    sent = [(request.path, request.body) for request in connections.requests]
    assert sent == [sent[0]] * 5


@pytest.mark.parametrize(
    "ask",
    [
        lambda hook: hook.get_campaign_status(ID, retry=NO_RETRY),
        lambda hook: hook.get_inbox_test_results("test-7", retry=NO_RETRY),
        lambda hook: asyncio.run(hook.aget_campaign_status(ID, retry=NO_RETRY)),
    ],
)
def test_who_looks_again_by_himself_can_have_one_attempt(
    connections: ScriptedServer, ask: Callable[..., Any]
) -> None:
    connections.play(Reply({}, status=500))
    with pytest.raises(ServiceUnavailableError):
        ask(CampaignCleanerHook())
    assert len(connections.requests) == 1


@pytest.mark.parametrize(
    "row", [row for row in ONE_OF_EACH.values() if dataclasses.is_dataclass(row.returned)], ids=str
)
def test_what_comes_back_cannot_be_changed(connections: ScriptedServer, row: Row) -> None:
    connections.play(row.answer)
    returned = on_a_worker(CampaignCleanerHook(), api, row)
    for each in dataclasses.fields(returned):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(returned, each.name, None)


def test_what_a_status_does_not_understand_is_kept(connections: ScriptedServer) -> None:
    told = {**LISTED, "status": "Completed", "eta": [1, {"unit": "s"}]}
    connections.play({"campaign_status": told}, {"campaign_list": [told]})
    status = CampaignCleanerHook().get_campaign_status(ID)
    assert (status.raw, status.state) == (told, CampaignState.COMPLETED)
    assert CampaignCleanerHook().get_campaign_list()[0].raw == told


@pytest.mark.parametrize(
    "bad", ["", "a b", "a\r\nX-Evil: 1", "../x\n", "None", "null", None, 7, "ü", "a" * 201]
)
@pytest.mark.parametrize(
    "name",
    [
        "get_campaign_status",
        "get_campaign",
        "get_campaign_pdf_analysis",
        "delete_campaign",
        "get_inbox_test_results",
    ],
)
def test_what_cannot_be_an_id_is_never_sent(connections: ScriptedServer, name: str, bad: Any) -> None:
    with pytest.raises(ValueError, match="job_id" if "inbox" in name else "campaign_id"):
        getattr(CampaignCleanerHook(), name)(bad)
    assert connections.requests == []


class TestPdf:
    @pytest.mark.parametrize(
        "answer",
        [
            pdf(content_type="Application/PDF; charset=binary"),
            pdf(content_type="application/x-pdf"),
            pdf(b"\r\n" + PDF),
        ],
    )
    def test_it_is_handed_on_byte_for_byte(self, connections: ScriptedServer, answer: Reply) -> None:
        connections.play(answer)
        assert CampaignCleanerHook().get_campaign_pdf_analysis(ID) == answer.body

    @pytest.mark.parametrize(
        "answer",
        [
            pdf(content_type="text/html"),
            pdf(content_type="application/json"),
            pdf(content_type=""),
            pdf(b"<html>%PDF-"),
            pdf(b"%PD"),
            pdf(b""),
            pdf(json.dumps("JVBERi0xLjQK").encode()),
            Reply({"status": "processing"}),
            Reply([{"error": "in a list"}]),
        ],
    )
    def test_it_is_one_only_if_it_says_so_and_looks_like_one(
        self, connections: ScriptedServer, answer: Reply
    ) -> None:
        connections.play(answer)
        with pytest.raises(MalformedResponseError, match=r"not a PDF\. Is the campaign completed"):
            CampaignCleanerHook().get_campaign_pdf_analysis(ID)
        assert len(connections.requests) == 1

    @pytest.mark.parametrize("content_type", ["application/json", "application/pdf", "text/plain"])
    @pytest.mark.parametrize("member", ["error", "Error"])
    def test_an_error_in_its_place_is_an_error_whatever_it_says_it_is(
        self, connections: ScriptedServer, content_type: str, member: str
    ) -> None:
        connections.play(pdf(json.dumps({member: "not completed yet"}).encode(), content_type))
        with pytest.raises(RejectedError, match="not completed yet"):
            CampaignCleanerHook().get_campaign_pdf_analysis(ID)

    @pytest.mark.parametrize("make", [on_a_worker, in_the_triggerer])
    def test_one_that_is_too_large_is_refused_and_not_held(
        self, connections: ScriptedServer, make: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        assert api.get_campaign_pdf_analysis(ID).max_bytes == 64 * 1024 * 1024
        monkeypatch.setattr(api, "MAX_PDF_BYTES", len(PDF) + 100_000)
        connections.play(pdf(PDF + b"x" * 100_000), pdf(PDF + b"x" * 20_000_000))
        row = ONE_OF_EACH["get_campaign_pdf_analysis"]
        assert len(make(CampaignCleanerHook(), api, row)) == len(PDF) + 100_000
        tracemalloc.start()
        with pytest.raises(MalformedResponseError, match=r"longer than 100,\d\d\d bytes"):
            make(CampaignCleanerHook(), api, row)
        held = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert held < 5_000_000


class TestDelete:
    @pytest.mark.parametrize(
        ("answer", "told"),
        [
            ({"status": "failure", "error": "No such campaign."}, "No such campaign"),
            ({"status": "Failure", "message": "It is being processed"}, "It is being processed"),
            ({"status": "failure"}, "failure"),
            ({"status": "failure", "error": ""}, "failure"),
            ({"status": "queued"}, "queued"),
        ],
    )
    def test_what_was_not_deleted_is_an_error(
        self, connections: ScriptedServer, answer: dict, told: str
    ) -> None:
        connections.play(answer)
        with pytest.raises(RejectedError, match=told):
            CampaignCleanerHook().delete_campaign(ID)
        assert len(connections.requests) == 1

    @pytest.mark.parametrize("answer", [{}, {"status": None}, {"status": True}, {"deleted": ID}, []])
    def test_an_answer_that_does_not_say_is_no_success(
        self, connections: ScriptedServer, answer: Any
    ) -> None:
        connections.play(Reply(answer))
        with pytest.raises(MalformedResponseError):
            CampaignCleanerHook().delete_campaign(ID)

    def test_success_is_one_in_any_case(self, connections: ScriptedServer) -> None:
        connections.play({"status": " Success ", "error": None})
        assert CampaignCleanerHook().delete_campaign(ID) is None


class TestInboxTest:
    @pytest.mark.parametrize(
        ("answer", "job_id", "send_to"),
        [
            ({"job_id": 7, "send_to": ["a@s.test"]}, "7", ("a@s.test",)),
            ({"inbox_test": {"job_id": "x", "send_to": ["a@s.test"]}}, "x", ("a@s.test",)),
            ({"job_id": "x", "send_to": "a@s.test, b@s.test;c@s.test\nd@s.test"}, "x",
             ("a@s.test", "b@s.test", "c@s.test", "d@s.test")),
            ({"job_id": "x", "send_to": [{"provider": "Gmail", "seed_address": "a@s.test"}]}, "x",
             ("a@s.test",)),
            ({"job_id": "x", "send_to": ["a@s.test", "none", None, 5, {"provider": "Gmail"}]}, "x",
             ("a@s.test",)),
            ({"job_id": "x"}, "x", ()),
            ({"job_id": "x", "send_to": {"gmail": "a@s.test"}}, "x", ()),
            ({"job_id": None, "test": {"job_id": "x"}}, "x", ()),
        ],
    )  # fmt: skip
    def test_it_is_read_in_every_plausible_shape(
        self, connections: ScriptedServer, answer: dict, job_id: str, send_to: tuple
    ) -> None:
        connections.play(answer)
        created = CampaignCleanerHook().create_inbox_test("Spring")
        assert created == InboxTest(job_id, send_to, raw=answer)

    @pytest.mark.parametrize(
        "answer",
        [{}, {"job_id": ""}, {"job_id": None}, {"id": "x"}, {"job_id": "two words"}, {"a": {"b": 1}}],
    )
    def test_without_an_id_there_is_none(self, connections: ScriptedServer, answer: dict) -> None:
        connections.play(answer)
        with pytest.raises(MalformedResponseError, match="no job_id"):
            CampaignCleanerHook().create_inbox_test()
        assert len(connections.requests) == 1


class TestInboxResults:
    def results(self, connections: ScriptedServer, **members: Any) -> InboxTestResults:
        connections.play({**RESULTS, **members})
        return CampaignCleanerHook().get_inbox_test_results("test-7")

    @pytest.mark.parametrize(
        ("told", "rate"),
        [
            ("30%", 30), (" 12.5 % ", 12.5), ("30", 30), (30, 30), (0, 0), ("0%", 0), ("n/a", None),
            ("", None), ("%", None), (None, None), (True, None), ("nan%", None), ([30], None),
        ],
    )  # fmt: skip
    def test_a_rate_may_be_a_number_or_a_text(
        self, connections: ScriptedServer, told: Any, rate: float | None
    ) -> None:
        found = self.results(connections, summary={"inbox_rate": told, "inbox": told})
        assert (found.inbox_rate, found.inbox, found.spam_rate) == (rate, rate, None)

    @pytest.mark.parametrize("status", ["Completed", "completed", " COMPLETED "])
    def test_its_state_is_read_in_any_case(self, connections: ScriptedServer, status: str) -> None:
        assert self.results(connections, status=status).status == InboxTestState.COMPLETED

    @pytest.mark.parametrize("summary", [None, [], "none yet", {}])
    def test_counts_that_are_missing_are_none_and_not_naught(
        self, connections: ScriptedServer, summary: Any
    ) -> None:
        found = self.results(connections, summary=summary, results=None)
        assert (found.total_seeds, found.received, found.pending, found.results) == (None, None, None, ())

    @pytest.mark.parametrize("status", [None, "", 1, "x" * 101])
    def test_without_a_state_there_are_none(self, connections: ScriptedServer, status: Any) -> None:
        with pytest.raises(MalformedResponseError, match="no status"):
            self.results(connections, status=status)

    def test_those_of_another_test_are_not_taken(self, connections: ScriptedServer) -> None:
        with pytest.raises(MalformedResponseError, match="got test another"):
            self.results(connections, job_id="another")
        assert self.results(connections, job_id="TEST-7").job_id == "test-7"
        assert self.results(connections, job_id=None).job_id == "test-7"


class TestSettings:
    def sent(self, connections: ScriptedServer, settings: Any) -> dict[str, Any]:
        connections.play({"campaign": {"id": ID}})
        CampaignCleanerHook().send_campaign(HTML, "Spring", settings=settings)
        fields = connections.requests[-1].json["send_campaign"]
        assert (fields.pop("campaign_html"), fields.pop("campaign_name")) == (HTML, "Spring")
        return fields

    def test_what_is_not_set_is_left_to_the_service(self, connections: ScriptedServer) -> None:
        assert self.sent(connections, CampaignSettings()) == {}
        assert self.sent(connections, None) == {}
        off = CampaignSettings(inline_css=False, min_font_size_allowed=0, relative_links_base_url="")
        assert self.sent(connections, off) == {
            "inline_css": False,
            "min_font_size_allowed": 0,
            "relative_links_base_url": "",
        }

    def test_every_setting_goes_out_under_its_own_name(self, connections: ScriptedServer) -> None:
        names = {each.name for each in dataclasses.fields(CampaignSettings)} - {"more", "surrounding_div"}
        assert len(names) == 25
        values = {name: number for number, name in enumerate(sorted(names))}
        assert self.sent(connections, CampaignSettings(**values)) == values

    def test_a_box_goes_out_with_what_is_set_of_it(self, connections: ScriptedServer) -> None:
        whole = SurroundingDiv(max_width=600, text_align="center", font_size=14, center_to_parent=False)
        assert self.sent(connections, CampaignSettings(surrounding_div=whole)) == {
            "surrounding_div": {
                "max_width": 600,
                "text_align": "center",
                "font_size": 14,
                "center_to_parent": False,
            }
        }
        part = CampaignSettings(surrounding_div=SurroundingDiv(max_width=600))
        assert self.sent(connections, part) == {"surrounding_div": {"max_width": 600}}

    def test_more_goes_out_beside_them(self, connections: ScriptedServer) -> None:
        settings = CampaignSettings(inline_css=True, more={"new_option": 5, "another": None})
        assert settings.as_dict() == {"inline_css": True, "new_option": 5}
        assert self.sent(connections, settings) == {"inline_css": True, "new_option": 5}
        other_name = CampaignSettings(more={"set_image_max_width": 600, "inline_css": False})
        assert self.sent(connections, other_name) == {"set_image_max_width": 600, "inline_css": False}

    def test_a_setting_is_not_set_twice(self) -> None:
        with pytest.raises(ValueError, match="more must not hold inline_css"):
            CampaignSettings(inline_css=True, more={"inline_css": False})

    @pytest.mark.parametrize(
        "settings",
        [
            CampaignSettings(image_max_width=600, more={"set_image_max_width": 600}),
            {"image_max_width": 600, "set_image_max_width": 500},
        ],
    )
    def test_the_width_of_images_has_one_of_its_two_names(
        self, connections: ScriptedServer, settings: Any
    ) -> None:
        with pytest.raises(ValueError, match="image_max_width or set_image_max_width, not both"):
            CampaignCleanerHook().send_campaign(HTML, "Spring", settings=settings)
        assert connections.requests == []

    def test_a_width_that_is_none_is_no_second_one(self, connections: ScriptedServer) -> None:
        settings = {"image_max_width": None, "set_image_max_width": 500}
        assert self.sent(connections, settings) == {"set_image_max_width": 500}

    @pytest.mark.parametrize(
        ("settings", "named"),
        [
            ({"campaign_name": "twice"}, "campaign_name"),
            (CampaignSettings(more={"webhook_url": "https://a.example"}), "webhook_url"),
            ("inline_css", "settings must be"),
            (["inline_css"], "settings must be"),
            ({"min_font_size_allowed": float("nan")}, "JSON"),
            ({"surrounding_div": SurroundingDiv()}, "JSON"),
        ],
    )
    def test_settings_that_cannot_be_sent_are_not(
        self, connections: ScriptedServer, settings: Any, named: str
    ) -> None:
        with pytest.raises(ValueError, match=named):
            CampaignCleanerHook().send_campaign(HTML, "Spring", settings=settings)
        assert connections.requests == []

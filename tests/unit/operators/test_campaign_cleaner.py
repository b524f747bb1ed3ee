from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import (
    DAG,
    AirflowFailException,
    AirflowSensorTimeout,
    literal,
    timeout,
)

from airflow_provider_campaigns.exceptions import (
    ApiError,
    AuthenticationError,
    CampaignPausedError,
    CampaignsError,
    IncompleteResponseError,
    MalformedResponseError,
    NotFoundError,
    RateLimitedError,
    RejectedError,
    ServiceUnavailableError,
    SubmissionUnconfirmedError,
    UnknownStatusError,
)
from airflow_provider_campaigns.links import CAMPAIGN_CLEANER_APP
from airflow_provider_campaigns.operators import campaign_cleaner
from airflow_provider_campaigns.operators.campaign_cleaner import (
    CampaignCleanerDeleteCampaignOperator,
    CampaignCleanerGetCampaignOperator,
    CampaignCleanerGetPdfAnalysisOperator,
    CampaignCleanerSubmitCampaignOperator,
    SubmissionUncertainError,
)
from airflow_provider_campaigns.tasks.task_state import marker
from airflow_provider_campaigns.transport import retry
from tests.support.fake_server import Reply, Request, ScriptedServer
from tests.support.triggerer import Driven, TaskInstance

ID = "e8c8af95-c033-11ed-9848-003048d8d536"
SEND, LIST, DELETE = "/v1/send_campaign", "/v1/get_campaign_list", "/v1/delete_campaign"
STATUS, GET = "/v1/get_campaign_status", "/v1/get_campaign"
TAKEN = {"campaign": {"id": ID}}
NOTHING_LISTED: dict[str, Any] = {"campaign_list": []}
MARKED = re.compile(r"Spring af-[0-9a-f]{12}")
# Answers after which nobody knows whether the submission arrived.
LOST = [
    Reply({}, status=500),
    Reply({}, status=504),
    Reply({}, status=408),
    Reply(drop="before"),
    Reply(TAKEN, drop="body"),
    Reply(b"<html>"),
    Reply({"campaign": {}}),
    Reply({**TAKEN, "error": "some links could not be scanned"}),
]


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(campaign_cleaner, "LISTING_DELAY_SECONDS", 0.02)
    monkeypatch.setattr(retry, "INITIAL_BACKOFF", 0.02)


def submit(**arguments: Any) -> CampaignCleanerSubmitCampaignOperator:
    return CampaignCleanerSubmitCampaignOperator(
        **{"task_id": "submit", "campaign_html": "<p>Hi</p>", "campaign_name": "Spring", **arguments}
    )


def get(**arguments: Any) -> CampaignCleanerGetCampaignOperator:
    return CampaignCleanerGetCampaignOperator(**{"task_id": "get", "campaign_id": ID, **arguments})


def pdf(**arguments: Any) -> CampaignCleanerGetPdfAnalysisOperator:
    return CampaignCleanerGetPdfAnalysisOperator(
        **{"task_id": "pdf", "campaign_id": ID, "output_path": "report.pdf", **arguments}
    )


def delete(**arguments: Any) -> CampaignCleanerDeleteCampaignOperator:
    return CampaignCleanerDeleteCampaignOperator(**{"task_id": "delete", "campaign_id": ID, **arguments})


def paths(server: ScriptedServer) -> list[str]:
    return [request.path for request in server.requests]


def submitted(server: ScriptedServer) -> list[str]:
    """The names under which something was submitted."""
    return [
        request.json["send_campaign"]["campaign_name"] for request in server.requests if request.path == SEND
    ]


def listing(server: ScriptedServer, shown_as: Callable[[str], Any] = lambda name: name) -> Reply:
    """The list of a service that takes whatever is submitted, even where its answer is lost."""

    def body(_: Request) -> dict[str, Any]:
        campaigns = [
            {"id": f"other-{number}", "campaign_name": name, "status": "completed"}
            for number, name in enumerate(["Spring", "Spring af-0123456789ab", None])
        ]
        mine = [
            {"id": ID, "campaign_name": shown_as(name), "status": "processing"} for name in submitted(server)
        ]
        return {"campaign_list": [*campaigns, *mine]}

    return Reply(body)


def second_try(**arguments: Any) -> Driven:
    return Driven(ti=TaskInstance(try_number=2, max_tries=1), **arguments)


def test_a_first_try_submits_once_under_a_marked_name(connections: ScriptedServer) -> None:
    connections.play(TAKEN)
    task = submit(custom_info="run 7", settings={"inline_css": False, "minify_html": None}, retries=1)
    assert Driven(ti=TaskInstance(max_tries=1)).run(task) == ID
    (request,) = connections.requests
    sent = request.json["send_campaign"]
    assert MARKED.fullmatch(sent.pop("campaign_name"))
    assert sent == {"campaign_html": "<p>Hi</p>", "custom_info": "run 7", "inline_css": False}
    assert task.campaign_name == "Spring"


@pytest.mark.parametrize("answer", LOST)
def test_a_submission_whose_answer_was_lost_is_found_in_the_list(
    connections: ScriptedServer, answer: Reply
) -> None:
    connections.play(answer, path=SEND)
    connections.play(listing(connections), path=LIST)
    assert Driven().run(submit()) == ID
    assert paths(connections) == [SEND, LIST]


def test_a_submission_may_take_a_moment_to_be_listed(connections: ScriptedServer) -> None:
    connections.play(Reply(drop="before"), path=SEND)
    connections.play(NOTHING_LISTED, listing(connections), path=LIST)
    assert Driven().run(submit()) == ID
    assert paths(connections) == [SEND, LIST, LIST]


@pytest.mark.parametrize("answer", LOST)
def test_a_submission_that_is_lost_and_not_listed_fails_the_try_and_is_not_repeated_by_it(
    connections: ScriptedServer, answer: Reply
) -> None:
    connections.play(answer, path=SEND)
    connections.play(listing(connections, shown_as=lambda _: "Autumn"), path=LIST)
    with pytest.raises(
        SubmissionUnconfirmedError, match=r"'Spring'.*'af-[0-9a-f]{12}'.*retry looks again"
    ) as raised:
        Driven().run(submit())
    assert not isinstance(raised.value, AirflowFailException)  # Airflow may retry this
    assert not raised.value.final
    assert paths(connections) == [SEND, LIST, LIST]


def test_a_lost_submission_that_cannot_be_looked_for_fails_the_try(connections: ScriptedServer) -> None:
    connections.play(Reply(drop="before"), path=SEND)
    connections.play(Reply({"error": "try later"}), path=LIST)
    with pytest.raises(RejectedError, match="try later"):
        Driven().run(submit())
    assert paths(connections) == [SEND, LIST]


@pytest.mark.parametrize(
    "shown_as",
    [
        pytest.param(lambda name: f"Copy of {name} (2)", id="decorated"),
        pytest.param(str.upper, id="in capitals"),
        pytest.param(lambda name: name[-20:], id="cut at its beginning"),
        pytest.param(lambda name: f"{name}\r\n", id="with white space"),
    ],
)
def test_a_name_is_known_again_by_its_marker_alone(
    connections: ScriptedServer, shown_as: Callable[[str], str]
) -> None:
    connections.play(Reply(drop="before"), path=SEND)
    connections.play(listing(connections, shown_as), path=LIST)
    assert Driven().run(submit(campaign_name="Spring, the last of them all")) == ID


@pytest.mark.parametrize(
    "shown_as",
    [
        pytest.param(lambda name: name[:-1], id="cut at its end"),
        pytest.param(lambda _: None, id="gone"),
        pytest.param(lambda _: 7, id="a number"),
    ],
)
def test_a_name_without_the_whole_marker_is_somebody_elses(
    connections: ScriptedServer, shown_as: Callable[[str], Any]
) -> None:
    connections.play(Reply(drop="before"), path=SEND)
    connections.play(listing(connections, shown_as), path=LIST)
    with pytest.raises(SubmissionUnconfirmedError):
        Driven().run(submit())


def test_a_retry_finds_what_the_first_try_submitted_and_submits_nothing(connections: ScriptedServer) -> None:
    connections.play(Reply(drop="before"), path=SEND)
    connections.play(NOTHING_LISTED, NOTHING_LISTED, listing(connections), path=LIST)
    task = submit(retries=1)
    with pytest.raises(SubmissionUnconfirmedError):
        Driven(ti=TaskInstance(max_tries=1)).run(task)
    assert second_try().run(task) == ID
    assert paths(connections) == [SEND, LIST, LIST, LIST]


def test_a_retry_that_finds_nothing_submits_under_the_same_marker(connections: ScriptedServer) -> None:
    connections.play(Reply(drop="before"), TAKEN, path=SEND)
    connections.play(NOTHING_LISTED, path=LIST)
    task = submit(retries=1)
    with pytest.raises(SubmissionUnconfirmedError):
        Driven(ti=TaskInstance(max_tries=1)).run(task)
    assert second_try().run(task) == ID
    assert paths(connections) == [SEND, LIST, LIST, LIST, LIST, SEND]
    assert len(set(submitted(connections))) == 1


@pytest.mark.parametrize(
    ("failure", "error"),
    [
        (Reply({}, status=503), ServiceUnavailableError),
        (Reply({"error": "no"}, status=401), AuthenticationError),
        (Reply({"error": "try later"}), RejectedError),
        (Reply(b"<html>"), MalformedResponseError),
        (Reply({"campaign_list": "none"}), MalformedResponseError),
    ],
)
def test_a_retry_that_cannot_read_the_list_fails_and_submits_nothing(
    connections: ScriptedServer, failure: Reply, error: type[Exception]
) -> None:
    connections.play(TAKEN, path=SEND)
    connections.play(failure, path=LIST)
    with pytest.raises(error):
        second_try().run(submit(retries=1))
    assert submitted(connections) == []


def test_what_the_state_store_knows_is_neither_looked_for_nor_submitted(connections: ScriptedServer) -> None:
    connections.play(TAKEN)
    store: dict[str, Any] = {}
    task = submit(retries=1)
    assert Driven(ti=TaskInstance(max_tries=1), store=store).run(task) == ID
    assert second_try(store=store).run(task) == ID
    assert paths(connections) == [SEND]


def test_what_was_found_in_the_list_is_kept_too(connections: ScriptedServer) -> None:
    connections.play(Reply(drop="before"), path=SEND)
    connections.play(listing(connections), path=LIST)
    store: dict[str, Any] = {}
    task = submit(retries=1)
    assert Driven(ti=TaskInstance(max_tries=1), store=store).run(task) == ID
    assert second_try(store=store).run(task) == ID
    assert paths(connections) == [SEND, LIST]


def test_a_task_that_is_cleared_submits_anew_under_another_marker(connections: ScriptedServer) -> None:
    connections.play(TAKEN, {"campaign": {"id": "anew"}}, path=SEND)
    connections.play(listing(connections), path=LIST)
    store: dict[str, Any] = {}
    task = submit(retries=1)
    assert Driven(ti=TaskInstance(max_tries=1), store=store).run(task) == ID
    cleared = TaskInstance(try_number=2, max_tries=2)  # after one try, Airflow allows one and its one retry
    assert Driven(ti=cleared, store=store).run(task) == "anew"
    assert paths(connections) == [SEND, LIST, LIST, SEND]
    assert len(set(submitted(connections))) == 2


@pytest.mark.parametrize(
    "answer", [{}, {"campaign_list": None}, {"campaign_list": [{"campaign_name": "Spring af-"}]}]
)
def test_a_retry_submits_nothing_where_the_list_cannot_be_read(
    answer: dict[str, Any], connections: ScriptedServer
) -> None:
    """No list is not an empty list: a second credit would be spent on a guess."""

    def told(_: Request) -> dict[str, Any]:
        for item in answer.get("campaign_list") or []:
            item["campaign_name"] = f"Spring {marker({'ti': retried})}"
        return answer

    connections.play(TAKEN, path=SEND)
    connections.play(Reply(told), path=LIST)
    retried = TaskInstance(try_number=2, max_tries=1)
    with pytest.raises(MalformedResponseError):
        Driven(ti=retried).run(submit(retries=1))
    assert SEND not in paths(connections)


def test_the_retry_of_a_cleared_task_looks_for_what_was_submitted_since(connections: ScriptedServer) -> None:
    connections.play(TAKEN, Reply(drop="before"), path=SEND)
    connections.play(NOTHING_LISTED, path=LIST)
    task = submit(retries=1)
    assert Driven(ti=TaskInstance(max_tries=1)).run(task) == ID
    with pytest.raises(SubmissionUnconfirmedError):
        Driven(ti=TaskInstance(try_number=2, max_tries=2)).run(task)

    def shown(_: Request) -> dict[str, Any]:
        return {
            "campaign_list": [
                {"id": f"campaign-{number}", "campaign_name": name, "status": "processing"}
                for number, name in enumerate(submitted(connections))
            ]
        }

    connections.play(Reply(shown), path=LIST)
    assert Driven(ti=TaskInstance(try_number=3, max_tries=2)).run(task) == "campaign-1"
    assert len(submitted(connections)) == 2


@pytest.mark.parametrize("answer", LOST)
def test_without_durability_the_name_stays_plain_and_nothing_is_looked_for(
    connections: ScriptedServer, answer: Reply
) -> None:
    connections.play(answer, path=SEND)
    connections.play(listing(connections), path=LIST)
    with pytest.raises(SubmissionUncertainError, match=r"'Spring'.*spends a credit") as raised:
        second_try(store={}).run(submit(durable=False, retries=1))
    assert isinstance(raised.value, AirflowFailException)  # Airflow does not retry this
    assert submitted(connections) == ["Spring"]
    assert len(connections.requests) == 1


def test_without_durability_nothing_is_remembered(connections: ScriptedServer) -> None:
    connections.play(TAKEN)
    store: dict[str, Any] = {}
    assert Driven(store=store).run(submit(durable=False)) == ID
    assert store == {}


def test_by_hand_there_is_no_task_to_mark_a_name_with(connections: ScriptedServer) -> None:
    connections.play(TAKEN)
    assert submit().execute({}) == ID
    assert submitted(connections) == ["Spring"]


@pytest.mark.parametrize(
    ("durable", "error", "told"),
    [
        (True, SubmissionUnconfirmedError, "A retry looks for it first"),
        (False, SubmissionUncertainError, "'Spring'"),
    ],
)
def test_a_submission_that_airflow_cuts_off_takes_no_more_time(
    connections: ScriptedServer, durable: bool, error: type[Exception], told: str
) -> None:
    connections.play(Reply(TAKEN, delay=5), path=SEND)
    connections.play(listing(connections), path=LIST)
    with pytest.raises(error, match=told), timeout(0.4):
        Driven().run(submit(durable=durable))
    assert paths(connections) == [SEND]


@pytest.mark.parametrize("durable", [True, False])
@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (Reply({"error": "no"}, status=401), AuthenticationError),
        (Reply({"error": "slow down"}, status=429), RateLimitedError),
        (Reply({"error": "No credits left"}), RejectedError),
    ],
)
def test_a_submission_that_was_refused_may_be_retried_by_airflow(
    connections: ScriptedServer, answer: Reply, error: type[ApiError], durable: bool
) -> None:
    connections.play(answer)
    with pytest.raises(error) as raised:
        Driven().run(submit(durable=durable))
    assert not isinstance(raised.value, AirflowFailException)
    assert paths(connections) == [SEND]


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"campaign_html": ""}, "campaign_html"),
        ({"campaign_html": None}, "campaign_html"),
        ({"campaign_name": "  "}, "campaign_name"),
        ({"custom_info": "x" * 501}, "custom_info"),
        ({"webhook_url": "hooks/1"}, "webhook_url"),
        ({"webhook_url": 5}, "webhook_url"),
        ({"custom_info": 5}, "custom_info"),
        ({"settings": "inline_css"}, "settings"),
        ({"settings": {"since": date(2026, 1, 1)}}, "settings"),
        ({"settings": {"image_max_width": float("nan")}}, "settings"),
        ({"campaign_html": "<style>@media x{#a{c:d}}</style>"}, "literal"),
        ({"settings": {"campaign_name": "twice"}}, "settings"),
        ({"campaign_html": "{{ params.html }}", "campaign_name": ""}, "campaign_name"),
    ],
)
def test_bad_arguments_are_refused_when_the_dag_is_parsed(arguments: dict, named: str) -> None:
    with pytest.raises(ValueError, match=named):
        submit(**arguments)


@pytest.mark.parametrize(
    ("argument", "rendered"),
    [
        ("campaign_html", ""),
        ("campaign_name", " "),
        ("custom_info", "x" * 501),
        ("webhook_url", "None"),
        ("settings", "None"),
        ("settings", {"since": date(2026, 1, 1)}),
    ],
)
def test_what_a_template_rendered_to_is_checked_before_anything_is_sent(
    connections: ScriptedServer, argument: str, rendered: Any
) -> None:
    task = submit(**{argument: "{{ params.x }}"})
    setattr(task, argument, rendered)
    with pytest.raises(ValueError, match=argument):
        second_try().run(task)
    assert connections.requests == []


def test_a_merge_tag_is_never_lost_without_a_word() -> None:
    with DAG("merge_tags"):
        rendered = submit(campaign_html="<p>Hi {{firstName}}</p>")
        kept = submit(task_id="kept", campaign_html=literal("<p>Hi {{firstName}}</p>"))
    with pytest.raises(ValueError, match="literal"):
        rendered.render_template_fields({})
    kept.render_template_fields({})
    assert kept.campaign_html == "<p>Hi {{firstName}}</p>"


def test_the_analysis_and_the_html_are_returned(connections: ScriptedServer) -> None:
    connections.play({"campaign": {"campaign_html": "<p>é</p>", "broken_links": 0}})
    assert Driven().run(get()) == {"broken_links": 0, "campaign_html": "<p>é</p>"}
    assert connections.requests[0].json == {"campaign": {"id": ID, "minimize_html": True}}


@pytest.mark.parametrize("scheme", ["", "file://"])
def test_the_html_goes_where_it_is_told_to(connections: ScriptedServer, tmp_path: Path, scheme: str) -> None:
    connections.play({"campaign": {"campaign_html": "<p>é\r\n</p>", "broken_links": 0}})
    target = tmp_path / "a folder" / "of its own" / "spring.html"
    result = Driven().run(get(output_path=f"{scheme}{target}", minimize_html=False))
    assert set(result) == {"broken_links", "html_path"}
    assert result["html_path"].endswith("spring.html")
    assert target.read_bytes() == "<p>é\r\n</p>".encode()
    assert connections.requests[0].json["campaign"]["minimize_html"] is False


def test_the_whole_analysis_goes_where_it_is_told_to(connections: ScriptedServer, tmp_path: Path) -> None:
    analysis = {
        "broken_links": 1,
        "text_image_ratio": "0.5",
        "all_link_list": [{"link_url": "https://example.com/ü", "link_is_broken": True}],
        "campaign_summary": {"links": "1 broken"},
        "custom_info": None,
    }
    connections.play({"campaign": {**analysis, "campaign_html": "<p>Hi</p>"}})
    target = tmp_path / "new" / "analysis.json"
    assert Driven().run(get(analysis_path=str(target))) == {
        "broken_links": 1,
        "text_image_ratio": "0.5",
        "custom_info": None,
        "analysis_path": str(target),
        "campaign_html": "<p>Hi</p>",
    }
    assert json.loads(target.read_bytes()) == analysis
    assert "https://example.com/ü".encode() in target.read_bytes()


@pytest.mark.parametrize(
    ("campaign", "advice", "remedy"),
    [
        ({"campaign_html": "x" * 300_000}, "output_path for the HTML", "output_path"),
        (
            {"campaign_html": "<p>", "image_list": ["https://example.com/" * 10] * 2000},
            "analysis_path for the lists",
            "analysis_path",
        ),
    ],
)
def test_what_is_too_long_for_an_xcom_is_refused_with_the_way_out(
    connections: ScriptedServer, tmp_path: Path, campaign: dict[str, Any], advice: str, remedy: str
) -> None:
    connections.play({"campaign": campaign})
    with pytest.raises(ValueError, match=rf"[34]\d\d,\d\d\d bytes.*262,144.*{advice}"):
        Driven().run(get())
    result = Driven().run(get(**{remedy: str(tmp_path / "long")}))
    assert len(json.dumps(result)) < 1000


@pytest.mark.parametrize("argument", ["output_path", "analysis_path"])
def test_a_path_that_cannot_be_written_is_named(
    connections: ScriptedServer, tmp_path: Path, argument: str
) -> None:
    (tmp_path / "a file").write_text("in the way")
    connections.play({"campaign": {"campaign_html": "<p>Hi</p>"}})
    with pytest.raises(OSError, match="a file/x"):
        Driven().run(get(**{argument: str(tmp_path / "a file" / "x")}))


@pytest.mark.parametrize("html", [None, "", 5])
def test_a_campaign_without_html_is_no_result(connections: ScriptedServer, tmp_path: Path, html: Any) -> None:
    connections.play({"campaign": {"broken_links": 0, "campaign_html": html}})
    with pytest.raises(MalformedResponseError, match="completed"):
        Driven().run(get(output_path=str(tmp_path / "x.html"), analysis_path=str(tmp_path / "x.json")))
    assert list(tmp_path.iterdir()) == []


def test_a_read_is_repeated(connections: ScriptedServer) -> None:
    connections.play(Reply({}, status=503), {"campaign": {"campaign_html": "<p>"}})
    assert Driven().run(get())["campaign_html"] == "<p>"


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"campaign_id": ""}, "campaign_id"),
        ({"campaign_id": None}, "campaign_id"),
        ({"output_path": ""}, "output_path"),
        ({"output_path": 5}, "output_path"),
        ({"analysis_path": "  "}, "analysis_path"),
        ({"paused": "ignore"}, "paused"),
        ({"poke_interval": -1}, "poke_interval"),
        ({"timeout": "soon"}, "timeout"),
        ({"max_failures": 0}, "max_failures"),
    ],
)
def test_what_to_get_is_checked_when_the_dag_is_parsed(arguments: dict, named: str) -> None:
    with pytest.raises(ValueError, match=named):
        get(**arguments)


@pytest.mark.parametrize("wait", [True, False])
@pytest.mark.parametrize(
    ("argument", "rendered"), [("campaign_id", "None"), ("output_path", ""), ("analysis_path", "")]
)
def test_an_argument_that_renders_to_nothing_is_refused_before_anything_is_sent(
    connections: ScriptedServer, argument: str, rendered: str, wait: bool
) -> None:
    task = get(**{argument: "{{ params.x }}", "wait_for_completion": wait})
    setattr(task, argument, rendered)
    with pytest.raises(ValueError, match=argument):
        Driven().run(task)
    assert connections.requests == []


def said(status: str) -> dict[str, Any]:
    return {"campaign_status": {"id": ID, "status": status}}


@pytest.mark.parametrize("deferrable", [False, True])
class TestGettingACampaignThatIsNotCompletedYet:
    @pytest.fixture
    def waiting(self, deferrable: bool, connections: ScriptedServer) -> Callable[..., Any]:
        connections.play({"campaign": {"campaign_html": "<p>Hi</p>", "broken_links": 0}}, path=GET)
        quick = {"wait_for_completion": True, "poke_interval": 0.02, "timeout": 20}
        return lambda **arguments: get(**{**quick, "deferrable": deferrable, **arguments})

    def test_it_waits_then_gets(
        self, waiting: Callable[..., Any], deferrable: bool, connections: ScriptedServer, tmp_path: Path
    ) -> None:
        connections.play(said("processing"), said("processing"), said("completed"), path=STATUS)
        driven = Driven()
        result = driven.run(waiting(output_path=str(tmp_path / "x.html")))
        assert result == {"broken_links": 0, "html_path": str(tmp_path / "x.html")}
        assert paths(connections) == [STATUS] * 3 + [GET]
        assert len(driven.deferrals) == deferrable

    def test_without_being_asked_to_it_does_not_wait(
        self, waiting: Callable[..., Any], connections: ScriptedServer
    ) -> None:
        assert Driven().run(waiting(wait_for_completion=False))["broken_links"] == 0
        assert paths(connections) == [GET]

    def test_a_paused_campaign_fails_or_is_waited_for(
        self, waiting: Callable[..., Any], connections: ScriptedServer
    ) -> None:
        connections.play(said("paused"), said("completed"), path=STATUS)
        with pytest.raises(CampaignPausedError, match="paused='wait'"):
            Driven().run(waiting())
        assert paths(connections) == [STATUS]
        connections.play(said("paused"), said("completed"), path=STATUS)
        assert Driven().run(waiting(paused="wait"))["broken_links"] == 0

    def test_an_unknown_state_fails_loudly(
        self, waiting: Callable[..., Any], connections: ScriptedServer
    ) -> None:
        connections.play(said("Exploded"), path=STATUS)
        with pytest.raises(UnknownStatusError, match="'exploded'"):
            Driven().run(waiting())
        assert paths(connections) == [STATUS]

    def test_a_wait_that_runs_out_is_a_sensor_timeout(
        self, waiting: Callable[..., Any], connections: ScriptedServer
    ) -> None:
        connections.play(said("processing"), path=STATUS)
        with pytest.raises(AirflowSensorTimeout, match=r"within 0\.3 s .*processing.*raise the timeout"):
            Driven().run(waiting(timeout=0.3))
        assert GET not in paths(connections)

    def test_a_wait_that_runs_out_while_the_service_fails_says_so(
        self, waiting: Callable[..., Any], connections: ScriptedServer
    ) -> None:
        connections.play(said("processing"), Reply({}, status=503), path=STATUS)
        with pytest.raises(AirflowSensorTimeout, match="503"):
            Driven().run(waiting(timeout=0.5, max_failures=1000))

    def test_single_failures_are_survived_and_as_many_as_said_are_not(
        self, waiting: Callable[..., Any], connections: ScriptedServer
    ) -> None:
        failure = Reply({}, status=503)
        connections.play(failure, said("processing"), failure, said("completed"), path=STATUS)
        assert Driven().run(waiting(max_failures=2))["broken_links"] == 0
        connections.play(failure, path=STATUS)
        with pytest.raises(ServiceUnavailableError):
            Driven().run(waiting(max_failures=2))
        assert paths(connections) == [STATUS] * 4 + [GET] + [STATUS] * 2

    def test_a_final_error_takes_one_request(
        self, waiting: Callable[..., Any], connections: ScriptedServer
    ) -> None:
        connections.play(Reply({"error": "no"}, status=404), path=STATUS)
        with pytest.raises(NotFoundError, match="campaign_cleaner_default"):
            Driven().run(waiting())
        assert paths(connections) == [STATUS]

    def test_the_link_is_there_while_it_waits(
        self, waiting: Callable[..., Any], deferrable: bool, connections: ScriptedServer
    ) -> None:
        connections.play(said("processing"), said("completed"), path=STATUS)
        driven = Driven()
        seen: list[dict[str, Any]] = []
        driven.before_trigger = lambda: seen.append(dict(driven.ti.xcoms))
        driven.run(waiting())
        expected = {"_link_CampaignCleanerLink": CAMPAIGN_CLEANER_APP}
        assert seen == ([expected] if deferrable else [])
        assert driven.ti.xcoms == expected


def test_a_pdf_goes_where_it_is_told_to(connections: ScriptedServer, tmp_path: Path) -> None:
    connections.play(Reply(b"%PDF-1.7 \xff", headers={"Content-Type": "application/pdf"}))
    target = tmp_path / "new" / "report.pdf"
    assert Driven().run(pdf(output_path=str(target))) == str(target)
    assert target.read_bytes() == b"%PDF-1.7 \xff"
    assert connections.requests[0].json == {"campaign": {"id": ID}}


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (Reply({"error": "not completed"}), RejectedError),
        (Reply(b"<html>"), MalformedResponseError),
        (Reply(b"<html>", headers={"Content-Type": "application/pdf"}), MalformedResponseError),
        (Reply(b"%PDF-1.7", headers={"Content-Type": "application/pdf"}, drop="body"), IncompleteResponseError),
        (Reply({"error": "no"}, status=404), NotFoundError),
    ],
)
def test_what_is_no_pdf_is_not_written(
    connections: ScriptedServer, tmp_path: Path, answer: Reply, error: type[Exception]
) -> None:
    connections.play(answer)
    with pytest.raises(error):
        Driven().run(pdf(output_path=str(tmp_path / "report.pdf")))
    assert list(tmp_path.iterdir()) == []


def test_a_pdf_that_cannot_be_written_names_the_path(connections: ScriptedServer, tmp_path: Path) -> None:
    connections.play(Reply(b"%PDF-1.7", headers={"Content-Type": "application/pdf"}))
    with pytest.raises(OSError, match=re.escape(f"Cannot write {str(tmp_path)!r}")):
        Driven().run(pdf(output_path=str(tmp_path)))


@pytest.mark.parametrize("argument", ["campaign_id", "output_path"])
def test_the_arguments_of_a_pdf_are_checked_before_anything_is_sent(
    connections: ScriptedServer, argument: str
) -> None:
    with pytest.raises(ValueError, match=argument):
        pdf(**{argument: ""})
    task = pdf(**{argument: "{{ params.x }}"})
    setattr(task, argument, "")
    with pytest.raises(ValueError, match=argument):
        Driven().run(task)
    assert connections.requests == []


def test_a_campaign_is_deleted(connections: ScriptedServer) -> None:
    connections.play({"status": "success"})
    assert Driven().run(delete()) is None
    assert [(request.path, request.json) for request in connections.requests] == [
        (DELETE, {"campaign": {"id": ID}})
    ]


# What may come of a deletion that an earlier try has done already, or whose answer was lost.
DOUBTFUL = [
    (Reply({"status": "failure", "error": "no such campaign"}), RejectedError),
    (Reply({"status": "failure"}), RejectedError),
    (Reply({"error": "no"}, status=404), NotFoundError),
    (Reply({}, status=503), ServiceUnavailableError),
    (Reply(drop="before"), IncompleteResponseError),
]


@pytest.mark.parametrize(("answer", "error"), DOUBTFUL)
def test_a_campaign_that_is_not_listed_any_more_counts_as_deleted(
    connections: ScriptedServer, answer: Reply, error: type[Exception]
) -> None:
    connections.play(answer, path=DELETE)
    connections.play(listing(connections), path=LIST)
    Driven(ti=TaskInstance(try_number=2)).run(delete())
    assert paths(connections) == [DELETE, LIST]


@pytest.mark.parametrize(("answer", "error"), DOUBTFUL[:3])
def test_a_deletion_that_is_refused_at_the_first_try_was_refused(
    connections: ScriptedServer, answer: Reply, error: type[Exception]
) -> None:
    """The id may be another account's, whose list does not hold it either."""
    connections.play(answer, path=DELETE)
    connections.play({"campaign_list": []}, path=LIST)
    with pytest.raises(error):
        Driven().run(delete())


@pytest.mark.parametrize(("answer", "error"), DOUBTFUL)
def test_a_campaign_that_is_still_listed_was_not_deleted(
    connections: ScriptedServer, answer: Reply, error: type[Exception]
) -> None:
    connections.play(answer, path=DELETE)
    connections.play({"campaign_list": [{"id": ID.upper(), "status": None}]}, path=LIST)
    with pytest.raises(error):
        Driven(ti=TaskInstance(try_number=2)).run(delete())
    assert paths(connections) == [DELETE, LIST]


def test_a_deletion_that_cannot_be_verified_fails(connections: ScriptedServer) -> None:
    connections.play(Reply(drop="before"), path=DELETE)
    connections.play(Reply({"error": "try later"}), path=LIST)
    with pytest.raises(CampaignsError, match="try later"):
        Driven().run(delete())


@pytest.mark.parametrize(("status", "error"), [(401, AuthenticationError), (429, RateLimitedError)])
def test_a_deletion_that_was_refused_is_not_looked_for(
    connections: ScriptedServer, status: int, error: type[Exception]
) -> None:
    connections.play(Reply({"error": "no"}, status=status))
    with pytest.raises(error):
        Driven().run(delete())
    assert paths(connections) == [DELETE]


def test_what_to_delete_is_checked_before_anything_is_sent(connections: ScriptedServer) -> None:
    with pytest.raises(ValueError, match="campaign_id"):
        delete(campaign_id="")
    task = delete(campaign_id="{{ params.x }}")
    task.campaign_id = "None"
    with pytest.raises(ValueError, match="campaign_id"):
        Driven().run(task)
    assert connections.requests == []

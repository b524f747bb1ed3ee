from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import literal
from airflow.sdk.exceptions import AirflowFailException
from airflow.sdk.execution_time.timeout import TimeoutPosix

from airflow_provider_campaigns.exceptions import (
    ApiError,
    AuthenticationError,
    MalformedAnswerError,
    RateLimitedError,
    RejectedError,
)
from airflow_provider_campaigns.operators.campaign_cleaner import (
    CampaignCleanerGetCampaignOperator,
    CampaignCleanerSubmitCampaignOperator,
    SubmissionUncertainError,
)
from tests.driving import Driven
from tests.scripted_server import Reply, ScriptedServer

ID = "e8c8af95-c033-11ed-9848-003048d8d536"


def submit(**arguments: Any) -> CampaignCleanerSubmitCampaignOperator:
    return CampaignCleanerSubmitCampaignOperator(
        **{"task_id": "submit", "campaign_html": "<p>Hi</p>", "campaign_name": "Spring", **arguments}
    )


def get(**arguments: Any) -> CampaignCleanerGetCampaignOperator:
    return CampaignCleanerGetCampaignOperator(**{"task_id": "get", "campaign_id": ID, **arguments})


def test_a_submission_returns_the_id(connections: ScriptedServer) -> None:
    connections.play({"campaign": {"id": ID}})
    task = submit(custom_info="run 7", settings={"inline_css": False, "minify_html": None})
    assert Driven().run(task) == ID
    assert connections.requests[0].json == {
        "send_campaign": {
            "campaign_html": "<p>Hi</p>",
            "campaign_name": "Spring",
            "custom_info": "run 7",
            "inline_css": False,
        }
    }


@pytest.mark.parametrize(
    "answer",
    [
        Reply({}, status=500),
        Reply({}, status=504),
        Reply({}, status=408),
        Reply(drop="before"),
        Reply({"campaign": {"id": ID}}, drop="body"),
        Reply(b"<html>"),
        Reply({"campaign": {}}),
        Reply({"campaign": {"id": ID}, "error": "some links could not be scanned"}),
    ],
)
def test_a_submission_that_may_have_arrived_is_not_repeated_by_anybody(
    connections: ScriptedServer, answer: Reply
) -> None:
    connections.play(answer)
    with pytest.raises(SubmissionUncertainError, match="'Spring'") as raised:
        Driven().run(submit())
    assert isinstance(raised.value, AirflowFailException)  # Airflow does not retry this
    assert len(connections.requests) == 1


def test_a_submission_that_airflow_cuts_off_is_not_repeated(connections: ScriptedServer) -> None:
    connections.play(Reply({"campaign": {"id": ID}}, delay=5))
    with pytest.raises(SubmissionUncertainError), TimeoutPosix(1):
        submit().execute({})
    assert len(connections.requests) == 1


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (Reply({"error": "no"}, status=401), AuthenticationError),
        (Reply({"error": "slow down"}, status=429), RateLimitedError),
        (Reply({"error": "No credits left"}), RejectedError),
    ],
)
def test_a_submission_that_was_refused_may_be_retried_by_airflow(
    connections: ScriptedServer, answer: Reply, error: type[ApiError]
) -> None:
    connections.play(answer)
    with pytest.raises(error) as raised:
        Driven().run(submit())
    assert not isinstance(raised.value, AirflowFailException)
    assert len(connections.requests) == 1


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
        ({"campaign_html": "<style>@media x{#a{c:d}}</style>"}, "literal"),
        ({"settings": {"campaign_name": "twice"}}, "settings"),
        ({"campaign_html": "{{ params.html }}", "campaign_name": ""}, "campaign_name"),
    ],
)
def test_bad_arguments_are_refused_when_the_dag_is_parsed(arguments: dict, named: str) -> None:
    with pytest.raises(ValueError, match=named):
        submit(**arguments)


def test_a_merge_tag_is_never_lost_without_a_word() -> None:
    from airflow.sdk import DAG

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


def test_a_campaign_without_html_is_no_result(connections: ScriptedServer, tmp_path: Path) -> None:
    connections.play({"campaign": {"broken_links": 0}})
    with pytest.raises(MalformedAnswerError, match="completed"):
        Driven().run(get(output_path=str(tmp_path / "x.html")))
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
    ],
)
def test_what_to_get_is_checked_when_the_dag_is_parsed(arguments: dict, named: str) -> None:
    with pytest.raises(ValueError, match=named):
        get(**arguments)


def test_an_output_path_that_renders_to_nothing_is_refused_before_anything_is_sent(
    connections: ScriptedServer,
) -> None:
    task = get(output_path="{{ params.path }}")
    task.output_path = ""
    with pytest.raises(ValueError, match="output_path"):
        Driven().run(task)
    assert connections.requests == []

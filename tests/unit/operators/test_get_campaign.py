from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fsspec
import pytest
from airflow.providers.common.compat.sdk import AirflowSensorTimeout, literal

from airflow_provider_campaigns.exceptions import (
    CampaignPausedError,
    MalformedResponseError,
    NotFoundError,
    ServiceUnavailableError,
    UnknownStatusError,
)
from airflow_provider_campaigns.operators.campaign_cleaner import (
    CampaignCleanerGetCampaignOperator,
    DamagedHtmlError,
)
from tests.support.airflow_versions import attach
from tests.support.fake_airflow import TaskRunner
from tests.support.fake_server import FakeServer, Reply
from tests.support.responses import CLEANER_ID as ID
from tests.support.responses import campaign_status, paths

STATUS, GET = "/v1/get_campaign_status", "/v1/get_campaign"


def get(**arguments: Any) -> CampaignCleanerGetCampaignOperator:
    return CampaignCleanerGetCampaignOperator(**{"task_id": "get", "campaign_id": ID, **arguments})


class TestResult:
    def test_result_has_the_analysis_and_the_html(self, connections: FakeServer) -> None:
        connections.respond({"campaign": {"campaign_html": "<p>é</p>", "broken_links": 0}})
        assert TaskRunner().run(get()) == {"broken_links": 0, "campaign_html": "<p>é</p>"}
        assert connections.requests[0].json == {"campaign": {"id": ID, "minimize_html": True}}

    @pytest.mark.parametrize("scheme", ["", "file://"])
    def test_html_is_written_to_output_path(
        self, connections: FakeServer, tmp_path: Path, scheme: str
    ) -> None:
        connections.respond({"campaign": {"campaign_html": "<p>é\r\n</p>", "broken_links": 0}})
        target = tmp_path / "a folder" / "of its own" / "spring.html"
        result = TaskRunner().run(get(output_path=f"{scheme}{target}", minimize_html=False))
        assert set(result) == {"broken_links", "html_path"}
        assert result["html_path"].endswith("spring.html")
        assert target.read_bytes() == "<p>é\r\n</p>".encode()
        assert connections.requests[0].json["campaign"]["minimize_html"] is False

    def test_log_names_the_stored_html_without_a_signature(
        self,
        connections: FakeServer,
        capsys: pytest.CaptureFixture[str],
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        attach("memory", fs=fsspec.filesystem("memory"))  # Airflow 2 does not attach it itself
        connections.respond({"campaign": {"campaign_html": "<p>Hi</p>"}})
        caplog.set_level(logging.INFO)
        result = TaskRunner().run(get(output_path="memory://bucket/spring.html?X-Amz-Signature=s3cret"))
        logged = capsys.readouterr().out + caplog.text  # Airflow 2 logs through Python's logging
        assert re.search(r"Wrote the cleaned HTML to 'memory:.*bucket/spring\.html\?…'\.", logged)
        assert "s3cret" in result["html_path"]
        assert "s3cret" not in logged

    def test_analysis_is_written_to_analysis_path(self, connections: FakeServer, tmp_path: Path) -> None:
        analysis = {
            "broken_links": 1,
            "text_image_ratio": "0.5",
            "all_link_list": [{"link_url": "https://example.com/ü", "link_is_broken": True}],
            "campaign_summary": {"links": "1 broken"},
            "custom_info": None,
        }
        connections.respond({"campaign": {**analysis, "campaign_html": "<p>Hi</p>"}})
        target = tmp_path / "new" / "analysis.json"
        assert TaskRunner().run(get(analysis_path=str(target))) == {
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
                {"campaign_html": "<p>Hi", "image_list": ["https://example.com/" * 10] * 2000},
                "analysis_path for the lists",
                "analysis_path",
            ),
        ],
    )
    def test_result_too_long_for_an_xcom_names_the_remedy(
        self, connections: FakeServer, tmp_path: Path, campaign: dict[str, Any], advice: str, remedy: str
    ) -> None:
        connections.respond({"campaign": campaign})
        with pytest.raises(ValueError, match=rf"[34]\d\d,\d\d\d bytes.*262,144.*{advice}"):
            TaskRunner().run(get())
        result = TaskRunner().run(get(**{remedy: str(tmp_path / "long")}))
        assert len(json.dumps(result)) < 1000

    @pytest.mark.parametrize("argument", ["output_path", "analysis_path"])
    def test_path_that_cannot_be_written_is_named(
        self, connections: FakeServer, tmp_path: Path, argument: str
    ) -> None:
        (tmp_path / "a file").write_text("in the way")
        connections.respond({"campaign": {"campaign_html": "<p>Hi</p>"}})
        with pytest.raises(OSError, match="a file/x"):
            TaskRunner().run(get(**{argument: str(tmp_path / "a file" / "x")}))

    @pytest.mark.parametrize("html", [None, "", 5])
    def test_campaign_without_html_is_an_error(
        self, connections: FakeServer, tmp_path: Path, html: Any
    ) -> None:
        connections.respond({"campaign": {"broken_links": 0, "campaign_html": html}})
        with pytest.raises(MalformedResponseError, match="completed"):
            TaskRunner().run(
                get(output_path=str(tmp_path / "x.html"), analysis_path=str(tmp_path / "x.json"))
            )
        assert list(tmp_path.iterdir()) == []

    def test_failed_read_is_repeated(self, connections: FakeServer) -> None:
        connections.respond(Reply({}, status=503), {"campaign": {"campaign_html": "<p>Hi"}})
        assert TaskRunner().run(get())["campaign_html"] == "<p>Hi"


ORIGINAL = """<p>Caf\xe9 for {{firstName}} &nbsp; <!-- *|IF:CITY|* -->in *|CITY|*<!-- *|END:IF|* --></p>
<a href="{{unsubscribe_link}}">Unsubscribe</a><!--[if mso]>{{firstName}}<![endif]-->"""


def get_compared(original: str, **arguments: Any) -> CampaignCleanerGetCampaignOperator:
    """A task that compares the cleaned HTML with the original one."""
    task = get(original_html=literal(original), **arguments)
    task.render_template_fields({})
    return task


class TestDamage:
    @pytest.mark.parametrize(
        ("broken", "named"),
        [
            (("{{unsubscribe_link}}", "%7B%7Bunsubscribe_link%7D%7D"),
             r"merge tag \{\{unsubscribe_link}} \(in href of <a>; URL-encoded now\)"),
            (("<!-- *|IF:CITY|* -->", ""), r"merge tag \*\|IF:CITY\|\* \(in a comment\)"),
            (("{{firstName}} &nbsp;", ""), r"merge tag \{\{firstName}} \(in text; 2 before, 1 now\)"),
            ((ORIGINAL, "<html><body></body></html>"), r"the whole body \(it is empty now\)"),
        ],
    )  # fmt: skip
    def test_lost_merge_tag_or_body_stops_the_run(
        self, connections: FakeServer, tmp_path: Path, broken: tuple[str, str], named: str
    ) -> None:
        connections.respond({"campaign": {"campaign_html": ORIGINAL.replace(*broken)}})
        task = get_compared(ORIGINAL, output_path=str(tmp_path / "a.html"))
        with pytest.raises(DamagedHtmlError, match=rf"Campaign {ID}: cleaning lost {named}.*on_damage"):
            TaskRunner().run(task)
        assert list(tmp_path.iterdir()) == []
        result = TaskRunner().run(get_compared(ORIGINAL, on_damage="report"))
        assert any(re.match(named, each) for each in result["damage"])

    def test_other_losses_are_only_reported(self, connections: FakeServer) -> None:
        cleaned = "<p>Cafe for {{firstName}} in *|CITY|*</p><a href='{{unsubscribe_link}}'>Go</a>"
        original = (
            f"{cleaned.replace('Cafe', 'Caf&eacute;')}<p>bye</p><!--[if mso]>{{{{firstName}}}}<![endif]-->"
        )
        connections.respond({"campaign": {"campaign_html": cleaned}})
        assert TaskRunner().run(get_compared(original))["damage"] == [
            "merge tag {{firstName}} (in an Outlook comment; 2 before, 1 now)",
            "text 'bye'",
        ]

    def test_undamaged_html_has_an_empty_report(self, connections: FakeServer) -> None:
        connections.respond(
            {"campaign": {"campaign_html": ORIGINAL.replace("&nbsp;", "\xa0"), "damage": "x"}}
        )
        assert TaskRunner().run(get_compared(ORIGINAL))["damage"] == []

    def test_empty_body_stops_the_run_without_the_original(self, connections: FakeServer) -> None:
        connections.respond({"campaign": {"campaign_html": "<html><body> </body></html>"}})
        with pytest.raises(DamagedHtmlError, match="the whole body"):
            TaskRunner().run(get())
        assert TaskRunner().run(get(on_damage="report"))["damage"] == ["the whole body (it is empty now)"]

    def test_encoded_tags_are_logged_without_the_original(
        self, connections: FakeServer, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
    ) -> None:
        connections.respond({"campaign": {"campaign_html": "<a href='%7B%7Blink%7D%7D'>a</a>"}})
        assert "damage" not in TaskRunner().run(get())
        assert "URL-encoded merge tags: {{link}}" in caplog.text + capsys.readouterr().out


class TestWait:
    @pytest.fixture
    def waiting(self, deferrable: bool, connections: FakeServer) -> Callable[..., Any]:
        connections.respond({"campaign": {"campaign_html": "<p>Hi</p>", "broken_links": 0}}, path=GET)
        return lambda **arguments: get(
            **{"wait_for_completion": True, "poke_interval": 10, "deferrable": deferrable, **arguments}
        )

    def test_completed_campaign_is_fetched_after_the_wait(
        self, waiting: Callable[..., Any], deferrable: bool, connections: FakeServer, tmp_path: Path
    ) -> None:
        statuses = ("processing", "processing", "completed")
        connections.respond(*map(campaign_status, statuses), path=STATUS)
        runner = TaskRunner()
        result = runner.run(waiting(output_path=str(tmp_path / "x.html")))
        assert result == {"broken_links": 0, "html_path": str(tmp_path / "x.html")}
        assert paths(connections) == [STATUS] * 3 + [GET]
        assert len(runner.deferrals) == int(deferrable)

    def test_campaign_that_is_already_completed_never_defers(
        self, waiting: Callable[..., Any], connections: FakeServer
    ) -> None:
        connections.respond(campaign_status("completed"), path=STATUS)
        runner = TaskRunner()
        runner.run(waiting())
        assert paths(connections) == [STATUS, GET]
        assert runner.deferrals == []

    def test_task_does_not_wait_by_default(
        self, waiting: Callable[..., Any], connections: FakeServer
    ) -> None:
        assert TaskRunner().run(waiting(wait_for_completion=False))["broken_links"] == 0
        assert paths(connections) == [GET]

    def test_paused_campaign_fails_or_is_waited_for(
        self, waiting: Callable[..., Any], connections: FakeServer
    ) -> None:
        statuses = [campaign_status(each) for each in ("processing", "paused", "completed")]
        connections.respond(*statuses, path=STATUS)
        with pytest.raises(CampaignPausedError, match="paused='wait'"):
            TaskRunner().run(waiting())
        assert paths(connections) == [STATUS] * 2
        connections.respond(*statuses, path=STATUS)
        assert TaskRunner().run(waiting(paused="wait"))["broken_links"] == 0

    def test_unknown_status_fails(self, waiting: Callable[..., Any], connections: FakeServer) -> None:
        connections.respond(campaign_status("processing"), campaign_status("Exploded"), path=STATUS)
        with pytest.raises(UnknownStatusError, match="'exploded'"):
            TaskRunner().run(waiting())
        assert paths(connections) == [STATUS] * 2

    def test_timeout_names_the_last_status(
        self, waiting: Callable[..., Any], connections: FakeServer
    ) -> None:
        connections.respond(campaign_status("processing"), path=STATUS)
        with pytest.raises(AirflowSensorTimeout, match=r"within 60 s\. Last status: processing.*raise"):
            TaskRunner().run(waiting(timeout=60))
        assert GET not in paths(connections)

    def test_timeout_names_the_last_error(self, waiting: Callable[..., Any], connections: FakeServer) -> None:
        processing = campaign_status("processing")
        connections.respond(processing, processing, Reply({}, status=503), path=STATUS)
        with pytest.raises(AirflowSensorTimeout, match=r"Last status: processing.*last poll failed: .*503"):
            TaskRunner().run(waiting(timeout=60, max_failures=1000))

    def test_wait_ends_after_max_failures_in_a_row(
        self, waiting: Callable[..., Any], connections: FakeServer
    ) -> None:
        failure, processing = Reply({}, status=503), campaign_status("processing")
        connections.respond(failure, processing, failure, campaign_status("completed"), path=STATUS)
        assert TaskRunner().run(waiting(max_failures=2))["broken_links"] == 0
        connections.respond(processing, failure, path=STATUS)
        with pytest.raises(ServiceUnavailableError):
            TaskRunner().run(waiting(max_failures=2))
        assert paths(connections) == [STATUS] * 4 + [GET] + [STATUS] * 3

    def test_final_error_ends_the_wait_at_once(
        self, waiting: Callable[..., Any], connections: FakeServer
    ) -> None:
        connections.respond(campaign_status("processing"), Reply({"error": "no"}, status=404), path=STATUS)
        with pytest.raises(NotFoundError, match="campaign_cleaner_default"):
            TaskRunner().run(waiting())
        assert paths(connections) == [STATUS] * 2


class TestArguments:
    @pytest.mark.parametrize(
        ("arguments", "named"),
        [
            ({"campaign_id": ""}, "campaign_id"),
            ({"campaign_id": None}, "campaign_id"),
            ({"output_path": ""}, "output_path"),
            ({"output_path": 5}, "output_path"),
            ({"analysis_path": "  "}, "analysis_path"),
            ({"paused": "ignore"}, "paused"),
            ({"on_damage": "skip"}, "on_damage"),
            ({"original_html": "new.html"}, "original_html contains no HTML tag"),
            ({"poke_interval": -1}, "poke_interval"),
            ({"timeout": "soon"}, "timeout"),
            ({"max_failures": 0}, "max_failures"),
        ],
    )
    def test_invalid_argument_fails_dag_parsing(self, arguments: dict[str, Any], named: str) -> None:
        with pytest.raises(ValueError, match=named):
            get(**arguments)

    @pytest.mark.parametrize("wait", [True, False])
    @pytest.mark.parametrize(
        ("argument", "rendered"), [("campaign_id", "None"), ("output_path", ""), ("analysis_path", "")]
    )
    def test_invalid_rendered_argument_sends_nothing(
        self, connections: FakeServer, argument: str, rendered: str, wait: bool
    ) -> None:
        task = get(**{argument: "{{ params.x }}", "wait_for_completion": wait})
        setattr(task, argument, rendered)
        with pytest.raises(ValueError, match=argument):
            TaskRunner().run(task)
        assert connections.requests == []


class TestPreview:
    ORIGINAL = "<p>Hi {{firstName}}</p>"

    def test_nothing_is_kept_unless_asked_for(self, connections: FakeServer) -> None:
        connections.respond({"campaign": {"campaign_html": "<p>Hi</p>"}})
        runner = TaskRunner()
        runner.run(get())
        assert "html_preview" not in runner.ti.xcoms

    def test_failed_task_shows_both_versions_and_what_was_lost(self, connections: FakeServer) -> None:
        connections.respond({"campaign": {"campaign_html": "<p>Hi</p>"}})
        runner = TaskRunner()
        with pytest.raises(DamagedHtmlError):
            runner.run(get(keep_preview=True, original_html=self.ORIGINAL))
        kept = runner.ti.xcoms["html_preview"]
        assert (kept["before"]["html"], kept["after"]["html"]) == (self.ORIGINAL, "<p>Hi</p>")
        assert kept["lost"] == ["merge tag {{firstName}} (in text)"]

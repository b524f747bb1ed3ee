from __future__ import annotations

import json
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import (
    DAG,
    AirflowFailException,
    AirflowSkipException,
    TriggerRule,
    task,
    task_group,
)

from airflow_provider_campaigns.operators.campaign_cleaner import (
    CampaignCleanerGetCampaignOperator,
    CampaignCleanerQualityGateOperator,
    QualityGateClosedError,
)
from tests.support.airflow_versions import (
    DownstreamTasksSkipped,
    needs_downstream_tasks_skipped,
    needs_pages,
)
from tests.support.fake_airflow import TaskInstance, TaskRunner
from tests.support.fake_server import FakeServer
from tests.support.responses import CLEANER_ID as ID

BAD_LINK = "https://example.com/gone"
BAD = {
    "broken_links": 1,
    "all_link_list": [{"link_url": BAD_LINK, "link_is_broken": True}],
    "spam_keyword_ratio": 0.5,
}
REPORT = {
    "passed": False,
    "breaches": [{"threshold": "max_broken_links", "limit": 0, "value": 1.0, "offending": [BAD_LINK]}],
}


def gate(analysis: Any = BAD, **arguments: Any) -> CampaignCleanerQualityGateOperator:
    return CampaignCleanerQualityGateOperator(
        **{"task_id": "gate", "analysis": analysis, "max_broken_links": 0, **arguments}
    )


@task
def work() -> None: ...


class TestOpenAndClosed:
    def test_analysis_within_all_thresholds_opens_the_gate(self) -> None:
        runner = TaskRunner()
        assert runner.run(gate(max_broken_links=1, max_spam_keyword_ratio=0.5)) == {
            "passed": True,
            "breaches": [],
        }
        assert "return_value" not in runner.ti.xcoms  # Airflow pushes what the task returns

    def test_closed_gate_fails_and_pushes_the_whole_report(self) -> None:
        runner = TaskRunner()
        with pytest.raises(QualityGateClosedError) as raised:
            runner.run(gate(max_broken_links=0, max_spam_keyword_ratio=0.1, max_capitals_ratio=0.2))
        assert isinstance(raised.value, AirflowFailException)  # Airflow does not retry this
        message = str(raised.value)
        assert f"max_broken_links=0: found 1 ({BAD_LINK})" in message
        assert "max_spam_keyword_ratio=0.1: found 0.5" in message
        assert "max_capitals_ratio=0.2: the analysis does not hold this value" in message
        report = runner.ti.xcoms["return_value"]
        assert report["passed"] is False
        assert [breach["threshold"] for breach in report["breaches"]] == [
            "max_broken_links",
            "max_spam_keyword_ratio",
            "max_capitals_ratio",
        ]
        assert report["breaches"][0] == REPORT["breaches"][0]

    def test_closed_gate_run_by_hand_names_the_breach(self) -> None:
        with pytest.raises(QualityGateClosedError, match=BAD_LINK):
            gate().execute({})


class TestReportFile:
    @pytest.mark.parametrize(
        ("arguments", "error"),
        [
            ({"max_broken_links": 1}, None),
            ({}, QualityGateClosedError),
            ({"on_closed": "skip"}, AirflowSkipException),
        ],
    )
    def test_report_is_written_whether_the_gate_opens_or_not(
        self, tmp_path: Path, arguments: dict[str, Any], error: type[Exception] | None
    ) -> None:
        path = tmp_path / "new" / "report.json"
        with DAG("reports"):
            reporting = gate(report_path=path, **arguments)
        with nullcontext() if error is None else pytest.raises(error):
            TaskRunner().run(reporting)
        assert json.loads(path.read_text()) == ({"passed": True, "breaches": []} if error is None else REPORT)

    def test_path_that_cannot_be_written_keeps_the_gate_closed(self, tmp_path: Path) -> None:
        (tmp_path / "a file").touch()
        with pytest.raises(OSError, match=r"a file/report\.json"):
            TaskRunner().run(gate(max_broken_links=1, report_path=f"{tmp_path}/a file/report.json"))


class TestCampaignName:
    @pytest.mark.parametrize(
        ("analysis", "subject"),
        [
            ({"campaign_name": "Spring", "campaign_id": ID}, "Campaign 'Spring'"),
            ({"campaign_name": " ", "campaign_id": ID}, f"Campaign '{ID}'"),
            ({"campaign_name": ["Spring"]}, "The campaign"),
        ],
    )
    def test_error_names_the_campaign_as_far_as_it_is_known(
        self, analysis: dict[str, Any], subject: str
    ) -> None:
        with pytest.raises(QualityGateClosedError, match=f"^{subject} breaks a threshold: "):
            TaskRunner().run(gate({**BAD, **analysis}))


class TestIgnoredLinks:
    def test_ignored_link_does_not_close_the_gate(self) -> None:
        assert TaskRunner().run(gate(ignore_links=["https://example.com/*"]))["passed"] is True

    def test_placeholder_does_not_close_the_gate(self) -> None:
        placeholder = {"link_url": "{unsubscribe_link}", "link_is_broken": True}
        assert TaskRunner().run(gate({"broken_links": 1, "all_link_list": [placeholder]}))["passed"] is True


class TestSkipping:
    def test_open_gate_skips_nothing(self) -> None:
        with DAG("open"):
            open_gate = gate(max_broken_links=1, on_closed="skip")
            open_gate >> work()
        assert TaskRunner().run(open_gate)["passed"] is True

    @needs_downstream_tasks_skipped
    def test_closed_gate_skips_all_downstream_but_teardowns(self) -> None:
        with DAG("skips"):
            closed = gate(on_closed="skip")
            sent = work.override(task_id="send")()
            after = work.override(task_id="after", trigger_rule=TriggerRule.ALL_DONE)()
            closed >> sent >> after >> work.override(task_id="tidy")().as_teardown()
            work.override(task_id="elsewhere")()
        runner = TaskRunner()
        with pytest.raises(DownstreamTasksSkipped) as skipped:
            runner.run(closed)
        assert set(skipped.value.tasks) == {"send", "after"}
        assert runner.ti.xcoms["return_value"] == REPORT

    def test_closed_gate_without_downstream_is_skipped(self) -> None:
        with DAG("ends"):
            closed = gate(on_closed="skip")
        runner = TaskRunner()
        with pytest.raises(AirflowSkipException):
            runner.run(closed)
        assert runner.ti.xcoms["return_value"] == REPORT

    def test_eager_downstream_task_is_refused(self) -> None:
        with DAG("eager"):
            closed = gate(on_closed="skip")
            [closed, work.override(task_id="aside")()] >> work.override(
                trigger_rule=TriggerRule.ONE_SUCCESS
            )()
        for refuse in (closed.prepare_template, lambda: TaskRunner().run(closed)):
            with pytest.raises(ValueError, match=r"work \(one_success\)"):
                refuse()

    @needs_downstream_tasks_skipped
    def test_closed_mapped_gate_is_skipped_itself(self) -> None:
        """Airflow skips tasks only downstream of a task that is not mapped."""
        with DAG("mapped"):
            closed = gate(on_closed="skip")
            closed >> work()
        runner = TaskRunner(ti=TaskInstance(map_index=1))
        with pytest.raises(AirflowSkipException):
            runner.run(closed)
        assert runner.ti.xcoms["return_value"] == REPORT

    def test_gate_that_cannot_skip_a_mapped_task_names_it(self) -> None:
        with DAG("unskippable"):
            closed = gate(on_closed="skip")
            unskippable = work.override(task_id="unskippable", trigger_rule=TriggerRule.NONE_FAILED)

            @task_group
            def sends(number: int) -> None:
                unskippable()

            closed >> sends.expand(number=[1, 2])
        with pytest.raises(QualityGateClosedError, match=r"cannot skip sends\.unskippable"):
            TaskRunner().run(closed)


class TestAnalysisFile:
    @pytest.mark.parametrize("scheme", ["", "file://"])
    def test_analysis_written_by_get_campaign_is_read(
        self, connections: FakeServer, tmp_path: Path, scheme: str
    ) -> None:
        connections.respond({"campaign": {**BAD, "campaign_html": "<p>Hi</p>"}})
        result = TaskRunner().run(
            CampaignCleanerGetCampaignOperator(
                task_id="get",
                campaign_id=ID,
                output_path=f"{scheme}{tmp_path}/spring.html",
                analysis_path=f"{scheme}{tmp_path}/spring.json",
            )
        )
        assert "all_link_list" not in result
        runner = TaskRunner()
        with pytest.raises(QualityGateClosedError, match=BAD_LINK):
            runner.run(gate(json.loads(json.dumps(result))))
        assert runner.ti.xcoms["return_value"] == REPORT

    def test_file_counts_and_not_the_rest_of_the_xcom(self, tmp_path: Path) -> None:
        (tmp_path / "a.json").write_text(json.dumps(BAD))
        with pytest.raises(QualityGateClosedError):
            TaskRunner().run(gate({"broken_links": 0, "analysis_path": str(tmp_path / "a.json")}))

    @pytest.mark.parametrize(
        ("content", "error", "message"),
        [
            (b"", ValueError, "is not an analysis"),
            (b"<html>", ValueError, "is not an analysis"),
            (b"[" * 100_000, ValueError, "is not an analysis"),
            (b"[]", ValueError, "must be the analysis of a campaign"),
            (b"null", ValueError, "must be the analysis of a campaign"),
            (b"\xff{}", ValueError, r"^\S+: the file is not UTF-8"),
            (None, OSError, "Cannot read"),
        ],
    )
    def test_unreadable_analysis_keeps_the_gate_closed(
        self, tmp_path: Path, content: bytes | None, error: type[Exception], message: str
    ) -> None:
        path = tmp_path / "analysis.json"
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(error, match=message) as raised:
            TaskRunner().run(gate({"analysis_path": str(path)}, on_closed="skip"))
        assert str(path) in str(raised.value)

    @pytest.mark.parametrize("path", [5, "", ["x"], {}])
    def test_invalid_analysis_path_keeps_the_gate_closed(self, path: Any) -> None:
        with pytest.raises(ValueError, match="analysis_path of the analysis must"):
            TaskRunner().run(gate({"broken_links": 0, "analysis_path": path}))


class TestArguments:
    @pytest.mark.parametrize("analysis", [None, "None", "broken_links", [], 5, True])
    def test_invalid_analysis_is_refused_once_it_is_known(self, analysis: Any) -> None:
        with pytest.raises(ValueError, match=r"analysis must be .*CampaignCleanerGetCampaignOperator"):
            gate(analysis)
        rendered = gate("{{ ti.xcom_pull('get') }}", on_closed="skip")
        rendered.analysis = analysis
        with pytest.raises(
            ValueError, match=r"analysis (must be .*CampaignCleanerGet|was set, but it rendered)"
        ):
            TaskRunner().run(rendered)

    def test_rendered_arguments_are_read(self) -> None:
        rendered = gate("{{ x }}", max_broken_links="{{ x }}", ignore_links="{{ x }}", on_closed="{{ x }}")
        rendered.analysis, rendered.max_broken_links = repr(BAD), "0"
        rendered.ignore_links, rendered.on_closed = repr([BAD_LINK]), "fail"
        assert TaskRunner().run(rendered)["passed"] is True

    @pytest.mark.parametrize(
        ("arguments", "named"),
        [
            ({"max_broken_links": None}, "at least one threshold"),
            ({"max_broken_links": "none"}, "max_broken_links"),
            ({"ignore_links": "https://example.com"}, "ignore_links must be a list"),
            ({"ignore_links": [5]}, r"ignore_links\[0\] must be a string"),
            ({"max_capitals_ratio": -1}, "max_capitals_ratio"),
            ({"min_text_image_ratio": True}, "min_text_image_ratio"),
            ({"on_closed": "ignore"}, "on_closed"),
        ],
    )
    def test_invalid_gate_argument_fails_dag_parsing(self, arguments: dict[str, Any], named: str) -> None:
        with pytest.raises(ValueError, match=named):
            gate(**arguments)

    def test_output_of_another_task_is_accepted(self) -> None:
        with DAG("flow"):
            got = CampaignCleanerGetCampaignOperator(task_id="get", campaign_id=ID)
            judged = gate(got.output)
        assert judged.upstream_task_ids == {"get"}


@needs_pages
def test_page_gets_every_threshold_whether_the_gate_opens_or_not() -> None:
    analysis = {**BAD, "campaign_id": ID, "campaign_name": "Spring"}
    runner = TaskRunner()
    with pytest.raises(QualityGateClosedError):
        runner.run(gate(analysis, max_spam_keyword_ratio=0.6, max_capitals_ratio=0.1))
    assert runner.ti.xcoms["quality_checks"] == {
        "campaign_id": ID,
        "campaign_name": "Spring",
        "checks": [
            {**REPORT["breaches"][0], "is_broken": True},
            {
                "threshold": "max_spam_keyword_ratio",
                "limit": 0.6,
                "value": 0.5,
                "offending": [],
                "is_broken": False,
            },
            {
                "threshold": "max_capitals_ratio",
                "limit": 0.1,
                "value": None,
                "offending": [],
                "is_broken": True,
            },
        ],
    }

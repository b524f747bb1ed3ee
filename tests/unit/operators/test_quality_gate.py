from __future__ import annotations

import json
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
from tests.support.airflow_versions import DownstreamTasksSkipped, needs_downstream_tasks_skipped
from tests.support.fake_server import ScriptedServer
from tests.support.triggerer import Driven, TaskInstance

ID = "e8c8af95-c033-11ed-9848-003048d8d536"
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


def test_an_analysis_within_all_thresholds_opens_the_gate() -> None:
    driven = Driven()
    assert driven.run(gate(max_broken_links=1, max_spam_keyword_ratio=0.5)) == {
        "passed": True,
        "breaches": [],
    }
    assert "return_value" not in driven.ti.xcoms  # Airflow pushes what the task returns


def test_a_closed_gate_fails_and_leaves_the_whole_report() -> None:
    driven = Driven()
    with pytest.raises(QualityGateClosedError) as raised:
        driven.run(gate(max_broken_links=0, max_spam_keyword_ratio=0.1, max_capitals_ratio=0.2))
    assert isinstance(raised.value, AirflowFailException)  # Airflow does not retry this
    told = str(raised.value)
    assert f"max_broken_links=0: found 1 ({BAD_LINK})" in told
    assert "max_spam_keyword_ratio=0.1: found 0.5" in told
    assert "max_capitals_ratio=0.2: the analysis does not hold the figure" in told
    report = driven.ti.xcoms["return_value"]
    assert report["passed"] is False
    assert [breach["threshold"] for breach in report["breaches"]] == [
        "max_broken_links",
        "max_spam_keyword_ratio",
        "max_capitals_ratio",
    ]
    assert report["breaches"][0] == REPORT["breaches"][0]


@pytest.mark.parametrize("on_closed", ["fail", "skip"])
def test_an_open_gate_skips_nothing(on_closed: str) -> None:
    with DAG("open"):
        open_gate = gate(max_broken_links=1, on_closed=on_closed)
        open_gate >> work()
    assert Driven().run(open_gate)["passed"] is True


@needs_downstream_tasks_skipped
def test_a_gate_that_skips_skips_all_behind_it_but_teardowns() -> None:
    with DAG("skips"):
        closed = gate(on_closed="skip")
        sent = work.override(task_id="send")()
        after = work.override(task_id="after", trigger_rule=TriggerRule.ALL_DONE)()
        closed >> sent >> after >> work.override(task_id="tidy")().as_teardown()
        work.override(task_id="elsewhere")()
    driven = Driven()
    with pytest.raises(DownstreamTasksSkipped) as skipped:
        driven.run(closed)
    assert set(skipped.value.tasks) == {"send", "after"}
    assert driven.ti.xcoms["return_value"] == REPORT


def test_a_gate_that_skips_with_nothing_behind_it_returns_its_report() -> None:
    with DAG("ends"):
        closed = gate(on_closed="skip")
    assert Driven().run(closed) == REPORT


@needs_downstream_tasks_skipped
def test_a_mapped_gate_that_skips_is_skipped_itself() -> None:
    """Airflow skips only behind a task that is not mapped."""
    with DAG("mapped"):
        closed = gate(on_closed="skip")
        closed >> work()
    driven = Driven(ti=TaskInstance(map_index=1))
    with pytest.raises(AirflowSkipException):
        driven.run(closed)
    assert driven.ti.xcoms["return_value"] == REPORT


def test_a_gate_that_could_not_skip_a_mapped_task_fails_and_names_it() -> None:
    with DAG("leaks"):
        closed = gate(on_closed="skip")
        careless = work.override(task_id="careless", trigger_rule=TriggerRule.NONE_FAILED)

        @task_group
        def sends(number: int) -> None:
            careless()

        closed >> sends.expand(number=[1, 2])
    with pytest.raises(QualityGateClosedError, match=r"cannot skip sends\.careless"):
        Driven().run(closed)


def test_a_gate_that_is_tried_by_hand_tells_what_is_wrong() -> None:
    with pytest.raises(QualityGateClosedError, match=BAD_LINK):
        gate().execute({})


@pytest.mark.parametrize("scheme", ["", "file://"])
def test_an_analysis_that_was_written_is_read_again_lists_and_all(
    connections: ScriptedServer, tmp_path: Path, scheme: str
) -> None:
    """The whole way: what one task writes and returns is what the other one needs."""
    connections.play({"campaign": {**BAD, "campaign_html": "<p>Hi</p>"}})
    got = Driven().run(
        CampaignCleanerGetCampaignOperator(
            task_id="get",
            campaign_id=ID,
            output_path=f"{scheme}{tmp_path}/spring.html",
            analysis_path=f"{scheme}{tmp_path}/spring.json",
        )
    )
    assert "all_link_list" not in got
    driven = Driven()
    with pytest.raises(QualityGateClosedError, match=BAD_LINK):
        driven.run(gate(json.loads(json.dumps(got))))
    assert driven.ti.xcoms["return_value"] == REPORT


def test_what_was_written_counts_and_not_the_rest_of_the_xcom(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(json.dumps(BAD))
    with pytest.raises(QualityGateClosedError):
        Driven().run(gate({"broken_links": 0, "analysis_path": str(tmp_path / "a.json")}))


@pytest.mark.parametrize(
    ("content", "error", "told"),
    [
        (b"", ValueError, "holds no analysis"),
        (b"<html>", ValueError, "holds no analysis"),
        (b"[" * 100_000, ValueError, "holds no analysis"),
        (b"[]", ValueError, "must be the analysis of a campaign"),
        (b"null", ValueError, "must be the analysis of a campaign"),
        (b"\xff{}", OSError, "utf-8"),
        (None, OSError, "Cannot read"),
    ],
)
def test_an_analysis_that_cannot_be_read_opens_nothing_and_names_the_path(
    tmp_path: Path, content: bytes | None, error: type[Exception], told: str
) -> None:
    path = tmp_path / "analysis.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(error, match=told) as raised:
        Driven().run(gate({"analysis_path": str(path)}, on_closed="skip"))
    assert str(path) in str(raised.value)


@pytest.mark.parametrize("path", [5, "", ["x"], {}])
def test_an_analysis_path_that_is_none_opens_nothing(path: Any) -> None:
    with pytest.raises(OSError, match="Cannot read"):
        Driven().run(gate({"broken_links": 0, "analysis_path": path}))


@pytest.mark.parametrize("analysis", [None, "None", "{'broken_links': 0}", [], 5, True])
def test_what_is_no_analysis_is_refused_when_it_is_known(analysis: Any) -> None:
    with pytest.raises(ValueError, match=r"analysis must be .*CampaignCleanerGetCampaignOperator"):
        gate(analysis)
    rendered = gate("{{ ti.xcom_pull('get') }}", on_closed="skip")
    rendered.analysis = analysis
    with pytest.raises(ValueError, match=r"analysis must be .*CampaignCleanerGetCampaignOperator"):
        Driven().run(rendered)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"max_broken_links": None}, "at least one threshold"),
        ({"max_broken_links": "0"}, "max_broken_links"),
        ({"max_capitals_ratio": -1}, "max_capitals_ratio"),
        ({"min_text_image_ratio": True}, "min_text_image_ratio"),
        ({"on_closed": "ignore"}, "on_closed"),
    ],
)
def test_bad_arguments_are_refused_when_the_dag_is_parsed(arguments: dict[str, Any], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        gate(**arguments)


def test_another_tasks_output_is_taken_as_the_analysis() -> None:
    with DAG("flow"):
        got = CampaignCleanerGetCampaignOperator(task_id="get", campaign_id=ID)
        judged = gate(got.output)
    assert judged.upstream_task_ids == {"get"}

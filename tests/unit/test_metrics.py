"""Every wait, gate and request is counted once, under a name that no service chooses."""

from __future__ import annotations

import importlib
import inspect
import os
from collections import Counter
from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import (
    DAG,
    AirflowSensorTimeout,
    AirflowSkipException,
    TaskDeferred,
)

from airflow_provider_campaigns import exceptions, metrics
from airflow_provider_campaigns.api.instantly import SendingCode
from airflow_provider_campaigns.exceptions import ApiError, CampaignsError
from airflow_provider_campaigns.hooks.instantly import InstantlyHook
from airflow_provider_campaigns.operators.campaign_cleaner import CampaignCleanerGetCampaignOperator
from airflow_provider_campaigns.operators.instantly import (
    InstantlyActivateCampaignOperator,
    InstantlyHealthReportOperator,
    InstantlySendGateOperator,
    SendGateClosedError,
    SendGateTimeoutError,
)
from airflow_provider_campaigns.sensors.campaign_cleaner import CampaignCleanerCampaignSensor
from airflow_provider_campaigns.transport.retry import Retry
from tests.support import ROOT
from tests.support.fake_airflow import TaskInstance, TaskRunner, restored_trigger, stored_trigger
from tests.support.fake_clock import FakeClock
from tests.support.fake_server import FakeServer, Reply
from tests.support.fake_triggerer import Triggerer
from tests.support.responses import CLEANER_ID, UUID, campaign_status, sending_status

PAGE = ROOT / "docs" / "operate" / "monitoring.md"
# The shortest limit of Airflow's backends on a name: OpenTelemetry's, less Airflow's prefix.
MAX_NAME = 63 - len("airflow.")
MODES = {"poke": {"mode": "poke"}, "reschedule": {"mode": "reschedule"}, "deferrable": {"deferrable": True}}

each_place = pytest.mark.parametrize("deferrable", [False, True], ids=["worker", "triggerer"])


@pytest.fixture(autouse=True)
def _fake_time(clock: FakeClock) -> None:
    pass


class Backend:
    """A metrics backend that keeps what it gets."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.timings: dict[str, float] = {}
        self.tags: list[Any] = []

    def incr(self, stat: str, count: int = 1, rate: float = 1, *, tags: Any = None) -> None:
        self.counts[stat] += count
        self.tags.append(tags)

    def timing(self, stat: str, dt: Any, *, tags: Any = None) -> None:
        self.timings[stat] = dt.total_seconds()
        self.tags.append(tags)

    def timer(self, *_: Any, **__: Any) -> Any:
        return nullcontext(SimpleNamespace(duration=0.0))

    def of(self, kind: str) -> dict[str, int]:
        """Return the counts of one kind by the last word of the name."""
        return {stat.rpartition(".")[2]: count for stat, count in self.counts.items() if f".{kind}." in stat}


class FailingBackend(Backend):
    """A metrics backend that cannot be reached."""

    def incr(self, *_: Any, **__: Any) -> None:
        raise OSError("no route to the metrics")

    timing = incr


def use(backend: Backend, monkeypatch: pytest.MonkeyPatch) -> Backend:
    """Make Airflow send the metrics of tasks and of triggers to a backend."""
    for path in ("airflow.sdk.observability.stats", "airflow.observability.stats"):
        try:
            initialize = importlib.import_module(path).initialize
        except (ImportError, AttributeError):
            continue
        variables = initialize.__globals__
        for name in {"_factory", "_backend", "_export_legacy_names"} & set(variables):
            monkeypatch.setitem(variables, name, variables[name])  # restored after the test
        options = {"factory": lambda: backend, "export_legacy_names": False}
        initialize(**{name: options[name] for name in inspect.signature(initialize).parameters})
    for stats in (metrics.task_stats(), metrics.triggerer_stats()):
        if isinstance(stats, type) and hasattr(type(stats), "factory"):
            monkeypatch.setattr(stats, "instance", backend, raising=False)
            # Airflow 3.2 drops an instance of another process.
            monkeypatch.setattr(stats, "_instance_pid", os.getpid(), raising=False)
    return backend


@pytest.fixture
def backend(monkeypatch: pytest.MonkeyPatch) -> Backend:
    return use(Backend(), monkeypatch)


def sensor(mode: str, **arguments: Any) -> CampaignCleanerCampaignSensor:
    return CampaignCleanerCampaignSensor(
        **{"task_id": "wait", "campaign_id": CLEANER_ID, **MODES[mode], **arguments}
    )


def gate(deferrable: bool = False, **arguments: Any) -> InstantlySendGateOperator:
    return InstantlySendGateOperator(task_id="gate", campaign_id=UUID, deferrable=deferrable, **arguments)


class TestSensor:
    @pytest.mark.parametrize("mode", MODES)
    def test_wait_counts_once_and_each_poll_counts(
        self, mode: str, backend: Backend, connections: FakeServer
    ) -> None:
        connections.respond(*map(campaign_status, ("processing", "processing", "completed")))
        TaskRunner().run(sensor(mode))
        assert backend.counts == {
            "campaign_cleaner.polls": 3,
            "campaign_cleaner.requests.ok": 3,
            "campaign_cleaner.waits.done": 1,
        }
        assert {"conn_id": "campaign_cleaner_default"} in backend.tags

    @pytest.mark.parametrize("mode", ["poke", "deferrable"])
    @pytest.mark.parametrize(
        ("outcome", "response", "arguments"),
        [
            ("bad_state", campaign_status("paused"), {}),
            ("bad_state", campaign_status("undocumented"), {}),
            ("timed_out", campaign_status("processing"), {"timeout": 60}),
            ("timed_out", campaign_status("processing"), {"timeout": 60, "soft_fail": True}),
            ("failed", Reply(status=401), {}),
            ("failed", Reply(status=503), {"max_failures": 2}),
            ("failed", Reply(status=401), {"never_fail": True}),
        ],
        ids=["paused", "unknown", "timeout", "soft_fail", "refused", "unavailable", "never_fail"],
    )
    def test_wait_counts_its_outcome(
        self,
        outcome: str,
        response: Any,
        arguments: dict[str, Any],
        *,
        mode: str,
        backend: Backend,
        connections: FakeServer,
    ) -> None:
        connections.respond(campaign_status("processing"), response)
        with pytest.raises((CampaignsError, AirflowSensorTimeout, AirflowSkipException)):
            TaskRunner().run(sensor(mode, **arguments))
        assert backend.of("waits") == {outcome: 1}

    def test_wait_that_ends_in_the_triggerer_counts_once(
        self, backend: Backend, connections: FakeServer
    ) -> None:
        connections.respond(campaign_status("processing"), campaign_status("completed"))
        task = CampaignCleanerCampaignSensor(task_id="wait", campaign_id=CLEANER_ID, end_from_trigger=True)
        with pytest.raises(TaskDeferred) as deferred:
            task.execute({"ti": TaskInstance(), "task": task})
        Triggerer().event_of(restored_trigger(*stored_trigger(deferred.value.trigger)))
        assert backend.of("waits") == {"done": 1}

    @pytest.mark.parametrize("mode", MODES)
    def test_survived_failures_count_as_retries(
        self, mode: str, backend: Backend, connections: FakeServer
    ) -> None:
        limited = Reply(status=429, headers={"Retry-After": "20"})
        connections.respond(
            campaign_status("processing"), Reply(status=503), limited, campaign_status("completed")
        )
        TaskRunner().run(sensor(mode))
        assert backend.of("requests") == {"service_unavailable_error": 1, "rate_limited_error": 1, "ok": 2}
        assert backend.counts["campaign_cleaner.retries"] == 2
        assert backend.counts["campaign_cleaner.rate_limit_pauses"] == 1
        assert backend.timings == {"campaign_cleaner.rate_limit_pause": 20.0}


@each_place
class TestGate:
    def test_open_gate_counts_once(self, deferrable: bool, backend: Backend, connections: FakeServer) -> None:
        connections.respond(sending_status("no_accounts_available"), sending_status("healthy"))
        TaskRunner().run(gate(deferrable, wait_timeout=3600))
        assert backend.of("gates") == {"opened": 1}
        assert backend.of("verdicts") == {"no_accounts_available": 1, "healthy": 1 + deferrable}
        assert not backend.of("waits")

    def test_closed_gate_counts_once(
        self, deferrable: bool, backend: Backend, connections: FakeServer
    ) -> None:
        connections.respond(sending_status("daily_limit_met"), sending_status("campaign_paused"))
        with pytest.raises(SendGateClosedError):
            TaskRunner().run(gate(deferrable, wait_timeout=3600))
        assert backend.of("gates") == {"closed": 1}

    def test_skipping_gate_counts_as_closed(
        self, deferrable: bool, backend: Backend, connections: FakeServer
    ) -> None:
        connections.respond(sending_status("daily_limit_met"), sending_status("campaign_paused"))
        with DAG("skips"):
            task = gate(deferrable, wait_timeout=3600, on_closed="skip")
        with pytest.raises(AirflowSkipException):
            TaskRunner().run(task)
        assert backend.of("gates") == {"closed": 1}

    def test_failed_gate_counts_once(
        self, deferrable: bool, backend: Backend, connections: FakeServer
    ) -> None:
        connections.respond(sending_status("daily_limit_met"), Reply(status=401))
        with pytest.raises(ApiError):
            TaskRunner().run(gate(deferrable, wait_timeout=3600))
        assert backend.of("gates") == {"failed": 1}

    @pytest.mark.parametrize(
        "response", [sending_status("daily_limit_met"), Reply(status=503)], ids=["closed", "unavailable"]
    )
    def test_gate_that_times_out_counts_once(
        self, response: Reply, deferrable: bool, backend: Backend, connections: FakeServer
    ) -> None:
        connections.respond(sending_status("daily_limit_met"), response)
        with pytest.raises(SendGateTimeoutError):
            TaskRunner().run(gate(deferrable, wait_timeout=300, max_failures=1000))
        assert backend.of("gates") == {"timed_out": 1}


@each_place
class TestOperators:
    def test_get_campaign_counts_its_wait(
        self, deferrable: bool, backend: Backend, connections: FakeServer
    ) -> None:
        connections.respond({"campaign": {"id": CLEANER_ID, "campaign_html": "<p>Hi"}})
        statuses = map(campaign_status, ("processing", "completed"))
        connections.respond(*statuses, path="/v1/get_campaign_status")
        task = CampaignCleanerGetCampaignOperator(
            task_id="get", campaign_id=CLEANER_ID, wait_for_completion=True, deferrable=deferrable
        )
        TaskRunner().run(task)
        assert backend.of("waits") == {"done": 1}

    def test_activate_campaign_counts_its_wait(
        self, deferrable: bool, backend: Backend, connections: FakeServer
    ) -> None:
        connections.respond({"id": UUID, "name": "Spring", "status": 1})
        statuses = map(sending_status, ("campaign_draft", "healthy"))
        connections.respond(*statuses, path=f"/api/v2/campaigns/{UUID}/sending-status")
        task = InstantlyActivateCampaignOperator(
            task_id="activate", campaign_id=UUID, wait_timeout=3600, deferrable=deferrable
        )
        TaskRunner().run(task)
        assert backend.of("waits") == {"done": 1}


@pytest.mark.parametrize(
    ("kind", "task"),
    [
        ("gates", gate(True, wait_timeout=20)),
        ("waits", sensor("deferrable")),
        ("waits", CampaignCleanerGetCampaignOperator(task_id="get", campaign_id=CLEANER_ID, deferrable=True)),
        ("waits", InstantlyActivateCampaignOperator(task_id="on", campaign_id=UUID, wait_timeout=9)),
    ],
    ids=["gate", "sensor", "get", "activate"],
)
def test_failed_trigger_counts_as_failed(kind: str, task: Any, backend: Backend) -> None:
    """Airflow resumes the task with an error in place of an event."""
    context = {"ti": TaskInstance(), "task": task}
    with pytest.raises(Exception, match=r"(?i)trigger"):
        task.resume_execution("__fail__", {"error": "Trigger failure", "traceback": None}, context)
    assert backend.of(kind) == {"failed": 1}


class TestNames:
    @pytest.mark.parametrize("code", ["brand_new", "../..", "x" * 50, "healthy "])
    def test_undocumented_code_counts_as_unknown(
        self, code: str, backend: Backend, connections: FakeServer
    ) -> None:
        connections.respond(sending_status(code))
        with pytest.raises(SendGateTimeoutError):
            TaskRunner().run(gate())
        assert backend.of("verdicts") == {"unknown": 1}

    def test_health_report_counts_verdicts_and_no_gate(
        self, backend: Backend, connections: FakeServer
    ) -> None:
        connections.respond({"items": [{"id": UUID}]}, path="/api/v2/campaigns")
        connections.respond(Reply(status=503), sending_status("healthy"), path=f"/api/v2/campaigns/{UUID}")
        TaskRunner().run(InstantlyHealthReportOperator(task_id="report"))
        assert backend.of("verdicts") == {"healthy": 1}
        assert backend.of("requests") == {"ok": 2, "service_unavailable_error": 1}
        assert backend.counts["instantly.retries"] == 1
        assert not backend.of("gates")

    def test_response_without_code_counts_as_none(self, backend: Backend, connections: FakeServer) -> None:
        connections.respond(sending_status(None))
        with pytest.raises(SendGateTimeoutError):
            TaskRunner().run(gate())
        assert backend.of("verdicts") == {"none": 1}

    def test_every_name_is_short_enough_and_documented(self) -> None:
        page = PAGE.read_text()
        classes = {
            each
            for each in vars(exceptions).values()
            if isinstance(each, type) and issubclass(each, ApiError) and each is not ApiError
        }
        results = {metrics.request_outcome(each("")) for each in classes} | {"ok"}
        assert "rate_limited_error" in results
        names = {
            "requests": results,
            "verdicts": {"unknown", "none"},
            "gates": {"opened", "overridden", "asked", "closed", "timed_out", "failed"},
            "waits": {"done", "bad_state", "timed_out", "failed"},
        }
        assert all(len(f"instantly.verdicts.{code.value}") <= MAX_NAME for code in SendingCode)
        for kind, words in names.items():
            for word in words:
                assert len(f"campaign_cleaner.{kind}.{word}") <= MAX_NAME
                assert f"`{word}`" in page, f"{word} of {kind} is not documented"
        for name in ("polls", "retries", "rate_limit_pauses", "rate_limit_pause"):
            assert f".{name}`" in page


class TestBackend:
    @each_place
    def test_failing_backend_does_not_stop_a_task(
        self, deferrable: bool, monkeypatch: pytest.MonkeyPatch, connections: FakeServer
    ) -> None:
        use(FailingBackend(), monkeypatch)
        connections.respond(sending_status("daily_limit_met"), sending_status("healthy"))
        assert TaskRunner().run(gate(deferrable, wait_timeout=3600))["open"] is True

    def test_request_repeated_by_a_hook_counts_as_a_retry(
        self, backend: Backend, connections: FakeServer
    ) -> None:
        connections.respond(Reply(status=503), sending_status("healthy"))
        InstantlyHook().get_sending_status(UUID, retry=Retry(attempts=2))
        assert backend.counts == {
            "instantly.requests.service_unavailable_error": 1,
            "instantly.retries": 1,
            "instantly.requests.ok": 1,
        }

"""What reaches Airflow's metrics: every wait, gate and request once, under a name that no service chooses."""

from __future__ import annotations

import importlib
import inspect
import os
from collections import Counter
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowSensorTimeout, AirflowSkipException

from airflow_provider_campaigns import exceptions, metrics
from airflow_provider_campaigns.api.instantly import SendingCode
from airflow_provider_campaigns.exceptions import ApiError, CampaignsError
from airflow_provider_campaigns.hooks.instantly import InstantlyHook
from airflow_provider_campaigns.operators.campaign_cleaner import CampaignCleanerGetCampaignOperator
from airflow_provider_campaigns.operators.instantly import (
    InstantlyActivateCampaignOperator,
    SendGateClosedError,
)
from airflow_provider_campaigns.transport.retry import Retry
from tests.support import ROOT
from tests.support.fake_server import Reply, ScriptedServer
from tests.support.triggerer import Driven, TaskInstance
from tests.unit.operators.test_send_gate import UUID, gate
from tests.unit.operators.test_send_gate import said as sending
from tests.unit.sensors.test_campaign_cleaner import ID, MODES, sensor
from tests.unit.sensors.test_campaign_cleaner import said as processing

DOCS = ROOT / "docs" / "operate" / "monitoring.md"
# The shortest limit that a backend of Airflow's puts on a name: OpenTelemetry's, with Airflow's prefix.
LONGEST_NAME = 63 - len("airflow.")


class Backend:
    """A metrics backend that remembers."""

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

    def of(self, kind: str) -> dict[str, int]:
        """Return the counts of one kind, without what stands before the last dot."""
        return {stat.rpartition(".")[2]: count for stat, count in self.counts.items() if f".{kind}." in stat}


class Broken(Backend):
    """A backend that cannot be told anything."""

    def incr(self, *_: Any, **__: Any) -> None:
        raise OSError("no route to the metrics")

    timing = incr


def plug(backend: Backend, monkeypatch: pytest.MonkeyPatch) -> Backend:
    """Make Airflow, for tasks and for triggers, tell a backend."""
    for path in ("airflow.sdk.observability.stats", "airflow.observability.stats"):
        try:
            initialize = importlib.import_module(path).initialize
        except (ImportError, AttributeError):
            continue
        held = initialize.__globals__
        for name in {"_factory", "_backend", "_export_legacy_names"} & set(held):
            monkeypatch.setitem(held, name, held[name])  # so that it is as it was afterwards
        options = {"factory": lambda: backend, "export_legacy_names": False}
        initialize(**{name: options[name] for name in inspect.signature(initialize).parameters})
    for stats in (metrics._stats_of_a_task(), metrics._stats_of_the_triggerer()):
        if isinstance(stats, type) and hasattr(type(stats), "factory"):
            monkeypatch.setattr(stats, "instance", backend, raising=False)
            # Airflow 3.2 asks whose instance it is, and forgets one of another process.
            monkeypatch.setattr(stats, "_instance_pid", os.getpid(), raising=False)
    return backend


@pytest.fixture
def backend(monkeypatch: pytest.MonkeyPatch) -> Backend:
    return plug(Backend(), monkeypatch)


@pytest.fixture(params=MODES)
def mode(request: pytest.FixtureRequest) -> dict[str, Any]:
    return MODES[request.param]


class TestASensor:
    def test_counts_its_wait_once_and_each_look(
        self, mode: dict[str, Any], backend: Backend, connections: ScriptedServer
    ) -> None:
        connections.play(processing("processing"), processing("processing"), processing("completed"))
        Driven().run(sensor(mode))
        assert backend.counts == {
            "campaign_cleaner.polls": 3,
            "campaign_cleaner.requests.ok": 3,
            "campaign_cleaner.waits.done": 1,
        }
        assert {"conn_id": "campaign_cleaner_default"} in backend.tags

    @pytest.mark.parametrize(
        ("outcome", "answer", "arguments"),
        [
            ("bad_state", processing("paused"), {}),
            ("bad_state", processing("a state of their own"), {}),
            ("timed_out", processing("processing"), {"timeout": 0.3}),
            ("timed_out", processing("processing"), {"timeout": 0.3, "soft_fail": True}),
            ("failed", Reply(status=401), {}),
            ("failed", Reply(status=503), {"max_failures": 2}),
            ("failed", Reply(status=401), {"never_fail": True}),
        ],
        ids=["paused", "unknown", "late", "softly", "refused", "away", "never_fail"],
    )
    def test_tells_why_its_wait_ended(  # noqa: PLR0917
        self,
        ending: str,
        answer: Any,
        arguments: dict[str, Any],
        mode: dict[str, Any],
        backend: Backend,
        connections: ScriptedServer,
    ) -> None:
        connections.play(answer)
        with pytest.raises((CampaignsError, AirflowSensorTimeout, AirflowSkipException)):
            Driven().run(sensor(mode, **arguments))
        assert backend.of("waits") == {ending: 1}

    def test_counts_failures_that_it_survives(
        self, mode: dict[str, Any], backend: Backend, connections: ScriptedServer
    ) -> None:
        connections.play(
            Reply(status=503), Reply(status=429, headers={"Retry-After": "1"}), processing("completed")
        )
        Driven().run(sensor(mode))
        assert backend.of("requests") == {"service_unavailable": 1, "rate_limited": 1, "ok": 1}
        assert backend.counts["campaign_cleaner.retries"] == 2
        assert backend.counts["campaign_cleaner.rate_limit_pauses"] == 1
        assert backend.timings == {"campaign_cleaner.rate_limit_pause": 1.0}


@pytest.mark.parametrize("deferrable", [False, True], ids=["worker", "triggerer"])
class TestAGate:
    def test_counts_how_it_ended_once(
        self, deferrable: bool, backend: Backend, connections: ScriptedServer
    ) -> None:
        connections.play(sending("no_accounts_available"), sending("healthy"))
        Driven().run(gate(deferrable, wait_timeout=20))
        assert backend.of("gates") == {"opened": 1}
        assert backend.of("verdicts") == {"no_accounts_available": 1, "healthy": 1 + deferrable}
        assert not backend.of("waits")

    @pytest.mark.parametrize("on_closed", ["fail", "skip"])
    def test_counts_one_that_stays_closed(
        self, on_closed: str, deferrable: bool, backend: Backend, connections: ScriptedServer
    ) -> None:
        connections.play(sending("out_of_schedule"), sending("campaign_paused"))
        to_run = gate(deferrable, wait_timeout=20, on_closed=on_closed)
        to_run.skip_downstream = lambda context: None
        with pytest.raises(SendGateClosedError) if on_closed == "fail" else nullcontext():
            Driven().run(to_run)
        assert backend.of("gates") == {"closed": 1}

    def test_counts_one_that_nobody_could_ask(
        self, deferrable: bool, backend: Backend, connections: ScriptedServer
    ) -> None:
        connections.play(sending("out_of_schedule"), Reply(status=401))
        with pytest.raises(ApiError):
            Driven().run(gate(deferrable, wait_timeout=20))
        assert backend.of("gates") == {"failed": 1}

    @pytest.mark.parametrize("answer", [sending("out_of_schedule"), Reply(status=503)], ids=["shut", "away"])
    def test_counts_one_that_ran_out_of_time(
        self, answer: Any, deferrable: bool, backend: Backend, connections: ScriptedServer
    ) -> None:
        connections.play(sending("out_of_schedule"), answer)
        with pytest.raises(Exception, match=r"Waited for|time is up"):
            Driven().run(gate(deferrable, wait_timeout=0.3, max_failures=1000))
        assert backend.of("gates") == {"timed_out": 1}


@pytest.mark.parametrize("deferrable", [False, True], ids=["worker", "triggerer"])
class TestOtherWaits:
    def test_fetching_counts_its_wait(
        self, deferrable: bool, backend: Backend, connections: ScriptedServer
    ) -> None:
        connections.play({"campaign": {"id": ID, "campaign_html": "<p>"}})
        connections.play(processing("processing"), processing("completed"), path="/v1/get_campaign_status")
        task = CampaignCleanerGetCampaignOperator(
            task_id="get", campaign_id=ID, wait_for_completion=True, poke_interval=0.02, deferrable=deferrable
        )
        Driven().run(task)
        assert backend.of("waits") == {"done": 1}

    def test_activating_counts_its_wait(
        self, deferrable: bool, backend: Backend, connections: ScriptedServer
    ) -> None:
        connections.play({"id": UUID, "name": "Spring", "status": 1})
        connections.play(
            sending("campaign_draft"), sending("healthy"), path=f"/api/v2/campaigns/{UUID}/sending-status"
        )
        task = InstantlyActivateCampaignOperator(
            task_id="activate", campaign_id=UUID, wait_timeout=20, poke_interval=0.02, deferrable=deferrable
        )
        Driven().run(task)
        assert backend.of("waits") == {"done": 1}


class TestNames:
    @pytest.mark.parametrize("code", ["brand_new", "../..", "x" * 50, "healthy "])
    def test_a_code_that_nobody_knows_makes_no_name(
        self, code: str, backend: Backend, connections: ScriptedServer
    ) -> None:
        connections.play(sending(code))
        with pytest.raises(Exception, match="does not know the code"):
            Driven().run(gate())
        assert backend.of("verdicts") == {"unknown": 1}

    def test_no_verdict_is_one_too(self, backend: Backend, connections: ScriptedServer) -> None:
        connections.play(sending(None))
        with pytest.raises(Exception, match="no status"):
            Driven().run(gate())
        assert backend.of("verdicts") == {"none": 1}

    def test_every_name_is_short_enough_and_in_the_docs(self) -> None:
        told = DOCS.read_text()
        errors = [
            kind
            for kind in vars(exceptions).values()
            if isinstance(kind, type) and issubclass(kind, ApiError)
        ]
        outcomes = {metrics.request_outcome(kind("")) for kind in errors if kind is not ApiError} | {"ok"}
        assert "rate_limited" in outcomes
        names = {
            "requests": outcomes,
            "verdicts": {code.value for code in SendingCode} | {"unknown", "none"},
            "gates": {"opened", "closed", "timed_out", "failed"},
            "waits": {"done", "bad_state", "timed_out", "failed"},
        }
        for kind, words in names.items():
            for word in words:
                assert len(f"campaign_cleaner.{kind}.{word}") <= LONGEST_NAME
                assert f"`{word}`" in told, f"{word} of {kind} is not in the docs"
        for name in ("polls", "retries", "rate_limit_pauses", "rate_limit_pause"):
            assert f".{name}`" in told


class TestABackend:
    def test_that_breaks_breaks_nothing(
        self, monkeypatch: pytest.MonkeyPatch, connections: ScriptedServer
    ) -> None:
        plug(Broken(), monkeypatch)
        connections.play(sending("out_of_schedule"), sending("healthy"))
        for deferrable in (False, True):
            connections.play(sending("out_of_schedule"), sending("healthy"))
            assert Driven().run(gate(deferrable, wait_timeout=20))["open"] is True

    def test_hears_of_a_hook_that_tries_again(self, backend: Backend, connections: ScriptedServer) -> None:
        connections.play(Reply(status=503), sending("healthy"))
        InstantlyHook().get_sending_status(UUID, retry=Retry(attempts=2))
        assert backend.counts == {
            "instantly.requests.service_unavailable": 1,
            "instantly.retries": 1,
            "instantly.requests.ok": 1,
        }


class TestATriggererThatCannotWait:
    """Airflow then resumes the task with an error in place of an event."""

    @pytest.mark.parametrize(
        ("kind", "task"),
        [
            ("gates", gate(True, wait_timeout=20)),
            ("waits", sensor(MODES["deferrable"])),
            ("waits", CampaignCleanerGetCampaignOperator(task_id="get", campaign_id=ID, deferrable=True)),
            ("waits", InstantlyActivateCampaignOperator(task_id="on", campaign_id=UUID, wait_timeout=9)),
        ],
        ids=["gate", "sensor", "get", "activate"],
    )
    def test_is_counted_as_a_failure(self, kind: str, task: Any, backend: Backend) -> None:
        context = {"ti": TaskInstance(), "task": task}
        with pytest.raises(Exception, match=r"(?i)trigger"):
            task.resume_execution("__fail__", {"error": "Trigger failure", "traceback": None}, context)
        assert backend.of(kind) == {"failed": 1}

from __future__ import annotations

import json
import time
from datetime import timedelta
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import DAG

from airflow_provider_campaigns import exceptions
from airflow_provider_campaigns.exceptions import (
    ApiError,
    AuthenticationError,
    CampaignsError,
    RateLimitedError,
    ServiceUnavailableError,
)
from airflow_provider_campaigns.operators.campaign_cleaner import (
    CampaignCleanerDeleteCampaignOperator,
    submit_campaign,
)
from tests.support.airflow_runs import dag, start
from tests.support.airflow_versions import HAS_RETRY_POLICIES, NO_RETRY_POLICIES, DagSerialization
from tests.support.fake_server import FakeServer, Reply

if not HAS_RETRY_POLICIES:
    pytest.skip(NO_RETRY_POLICIES, allow_module_level=True)

from airflow.sdk.definitions.retry_policy import RetryAction

from airflow_provider_campaigns.retries import MAX_DELAY, CampaignsRetryPolicy

CLASSES = [
    each for each in vars(exceptions).values() if isinstance(each, type) and issubclass(each, CampaignsError)
]
FINAL = {
    "ApiError",
    "AuthenticationError",
    "BackgroundJobFailedError",
    "BadRequestError",
    "BlockedByProxyError",
    "CampaignPausedError",
    "CampaignsFailedError",
    "CertificateError",
    "NotActivatedError",
    "NotFoundError",
    "PaymentRequiredError",
    "PermissionDeniedError",
    "RedirectRefusedError",
    "UnknownStatusError",
}


def decide(error: BaseException) -> Any:
    return CampaignsRetryPolicy().evaluate(error, try_number=1, max_tries=3)


class TestDecision:
    @pytest.mark.parametrize("error_class", CLASSES)
    def test_only_final_errors_fail_the_task(self, error_class: type[Exception]) -> None:
        decision = decide(
            error_class() if error_class.__name__ == "DeadlineExceededError" else error_class("x")
        )
        if error_class.__name__ in FINAL:
            assert decision.action is RetryAction.FAIL
            assert decision.reason == f"{error_class.__name__}: a retry cannot help."
        else:
            assert decision.action is RetryAction.DEFAULT
            assert decision.retry_delay is None

    def test_final_errors_exist(self) -> None:
        assert {each.__name__ for each in CLASSES} >= FINAL

    @pytest.mark.parametrize("error", [ValueError("bad"), OSError("full"), KeyError("x"), SystemExit(1)])
    def test_error_without_a_service_is_left_to_the_task(self, error: BaseException) -> None:
        assert decide(error).action is RetryAction.DEFAULT

    @pytest.mark.parametrize(
        ("retry_after", "delay"),
        [
            (1.5, timedelta(seconds=1.5)),
            (3600, timedelta(hours=1)),
            (6 * 3600, MAX_DELAY),
            (6 * 3600 + 1, MAX_DELAY),
            (1e300, MAX_DELAY),
        ],
    )
    def test_rate_limit_sets_the_delay_up_to_six_hours(self, retry_after: float, delay: timedelta) -> None:
        decision = decide(RateLimitedError("slow down", status_code=429, retry_after=retry_after))
        assert (decision.action, decision.retry_delay) == (RetryAction.RETRY, delay)
        assert decision.reason == f"The service asks to wait {delay.total_seconds():g} s."

    @pytest.mark.parametrize("retry_after", [None, 0.0])
    def test_rate_limit_without_delay_is_left_to_the_task(self, retry_after: float | None) -> None:
        assert decide(RateLimitedError("slow down", retry_after=retry_after)).action is RetryAction.DEFAULT

    def test_retry_after_of_another_error_is_ignored(self) -> None:
        assert decide(ServiceUnavailableError("down", retry_after=60)).action is RetryAction.DEFAULT
        assert decide(AuthenticationError("no", retry_after=60)).action is RetryAction.FAIL

    def test_error_from_the_triggerer_gives_the_same_decision(self) -> None:
        stored = json.loads(json.dumps(RateLimitedError("slow down", retry_after=7).as_dict()))
        assert decide(ApiError.from_dict(stored)).retry_delay == timedelta(seconds=7)


class TestSerialization:
    def test_policy_survives_serialization(self) -> None:
        stored = json.loads(json.dumps(CampaignsRetryPolicy().serialize()))
        restored = CampaignsRetryPolicy.deserialize(stored)
        assert restored.evaluate(AuthenticationError("no"), 1, 3).action is RetryAction.FAIL

    @pytest.mark.parametrize("place", ["on the task", "in default_args"])
    def test_airflow_serializes_a_dag_with_the_policy(self, place: str) -> None:
        policy = {"retries": 2, "retry_policy": CampaignsRetryPolicy()}
        on_task = policy if place == "on the task" else {}
        with DAG("has_a_policy", schedule=None, default_args={} if on_task else policy) as built:
            CampaignCleanerDeleteCampaignOperator(task_id="delete", campaign_id="x", **on_task)
        stored = json.loads(json.dumps(DagSerialization.serialize_dag(built)))
        (task,) = DagSerialization.deserialize_dag(stored).tasks
        assert (task.retries, task.has_retry_policy) == (2, True)


def run_tries(name: str) -> tuple[str, int]:
    """Run a Dag of one task with Airflow's own task runner; return its state and the number of tries."""
    (instance,) = start(dag(name)).get_task_instances()
    return str(instance.state), instance.try_number


@pytest.mark.usefixtures("database")
class TestInAirflow:
    def test_invalid_key_is_tried_once(self, connections: FakeServer) -> None:
        connections.respond(Reply({"error": "no"}, status=401))
        assert run_tries("retried_by_policy") == ("failed", 1)
        assert len(connections.requests) == 1

    def test_rate_limited_task_is_retried_after_retry_after(
        self, connections: FakeServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(submit_campaign, "LISTING_DELAY_SECONDS", 0.05)
        limited = Reply({"error": "slow down"}, status=429, headers={"Retry-After": "1"})
        connections.respond(limited, {"campaign": {"id": "an-id"}}, path="/v1/send_campaign")
        connections.respond({"campaign_list": []}, path="/v1/get_campaign_list")
        started = time.monotonic()
        assert run_tries("retried_by_policy") == ("success", 2)
        assert 1 <= time.monotonic() - started < 600  # the task's own retry_delay is an hour
        sent = [request for request in connections.requests if request.path == "/v1/send_campaign"]
        names = {request.json["send_campaign"]["campaign_name"] for request in sent}
        assert (len(sent), len(names)) == (2, 1)

    def test_other_error_is_retried_by_the_tasks_retries(self, connections: FakeServer) -> None:
        connections.respond(Reply({"error": "slow down"}, status=429))
        assert run_tries("retried_at_once") == ("failed", 2)
        assert len(connections.requests) == 2

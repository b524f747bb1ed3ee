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
from airflow_provider_campaigns.operators import campaign_cleaner
from airflow_provider_campaigns.operators.campaign_cleaner import CampaignCleanerDeleteCampaignOperator
from tests.support.airflow_runs import dag
from tests.support.airflow_versions import HAS_RETRY_POLICIES, NO_RETRY_POLICIES, DagSerialization
from tests.support.fake_server import Reply, ScriptedServer

if not HAS_RETRY_POLICIES:
    pytest.skip(NO_RETRY_POLICIES, allow_module_level=True)

from airflow.sdk.definitions.retry_policy import RetryAction

from airflow_provider_campaigns.retries import MAX_DELAY, CampaignsRetryPolicy

ERRORS = [
    error
    for error in vars(exceptions).values()
    if isinstance(error, type) and issubclass(error, CampaignsError)
]
FINAL = {
    "ApiError",
    "AuthenticationError",
    "BackgroundJobFailedError",
    "BadRequestError",
    "BlockedByProxyError",
    "CampaignPausedError",
    "NotActivatedError",
    "NotFoundError",
    "PaymentRequiredError",
    "PermissionDeniedError",
    "RedirectRefusedError",
    "UnknownStatusError",
    "CertificateError",
}


def decide(error: BaseException) -> Any:
    return CampaignsRetryPolicy().evaluate(error, try_number=1, max_tries=3)


@pytest.mark.parametrize("error", ERRORS)
def test_what_no_retry_heals_fails_at_once_and_all_else_is_left_to_the_task(error: type[Exception]) -> None:
    decision = decide(error("told"))
    if error.__name__ in FINAL:
        assert decision.action is RetryAction.FAIL
        assert decision.reason == f"{error.__name__}: no retry can help."
    else:
        assert decision.action is RetryAction.DEFAULT
        assert decision.retry_delay is None


def test_a_final_error_is_one_of_the_package() -> None:
    assert {error.__name__ for error in ERRORS} >= FINAL


@pytest.mark.parametrize("error", [ValueError("bad"), OSError("full"), KeyError("x"), SystemExit(1)])
def test_what_is_not_about_a_service_is_left_to_the_task(error: BaseException) -> None:
    assert decide(error).action is RetryAction.DEFAULT


@pytest.mark.parametrize(
    ("asked", "delay"),
    [
        (1.5, timedelta(seconds=1.5)),
        (3600, timedelta(hours=1)),
        (6 * 3600, MAX_DELAY),
        (6 * 3600 + 1, MAX_DELAY),
        (1e300, MAX_DELAY),
    ],
)
def test_a_rate_limit_is_retried_when_the_service_says_up_to_six_hours_later(
    asked: float, delay: timedelta
) -> None:
    decision = decide(RateLimitedError("slow down", status_code=429, retry_after=asked))
    assert (decision.action, decision.retry_delay) == (RetryAction.RETRY, delay)
    assert decision.reason == f"The service asked for {delay.total_seconds():g} s of rest."


@pytest.mark.parametrize("asked", [None, 0.0])
def test_a_rate_limit_without_a_time_is_left_to_the_task(asked: float | None) -> None:
    assert decide(RateLimitedError("slow down", retry_after=asked)).action is RetryAction.DEFAULT


def test_what_another_failure_says_about_time_does_not_make_it_a_rate_limit() -> None:
    assert decide(ServiceUnavailableError("down", retry_after=60)).action is RetryAction.DEFAULT
    assert decide(AuthenticationError("no", retry_after=60)).action is RetryAction.FAIL


def test_an_error_that_came_from_the_triggerer_is_decided_alike() -> None:
    told = json.loads(json.dumps(RateLimitedError("slow down", retry_after=7).as_dict()))
    assert decide(ApiError.from_dict(told)).retry_delay == timedelta(seconds=7)


def test_it_is_stored_and_comes_back() -> None:
    stored = json.loads(json.dumps(CampaignsRetryPolicy().serialize()))
    again = CampaignsRetryPolicy.deserialize(stored)
    assert again.evaluate(AuthenticationError("no"), 1, 3).action is RetryAction.FAIL


@pytest.mark.parametrize("place", ["on the task", "in default_args"])
def test_airflow_serialises_a_dag_that_has_it(place: str) -> None:
    policy = {"retries": 2, "retry_policy": CampaignsRetryPolicy()}
    on_task = policy if place == "on the task" else {}
    with DAG("has_a_policy", schedule=None, default_args={} if on_task else policy) as built:
        CampaignCleanerDeleteCampaignOperator(task_id="delete", campaign_id="x", **on_task)
    stored = json.loads(json.dumps(DagSerialization.serialize_dag(built)))
    (task,) = DagSerialization.deserialize_dag(stored).tasks
    assert (task.retries, task.has_retry_policy) == (2, True)


def tries(name: str) -> tuple[str, int]:
    """Run a Dag of one task with Airflow's own task runner: how it ended, and after how many tries."""
    (instance,) = dag(name).test().get_task_instances()
    return str(instance.state), instance.try_number


@pytest.mark.usefixtures("database")
class TestInAirflow:
    def test_a_bad_key_is_tried_once(self, connections: ScriptedServer) -> None:
        connections.play(Reply({"error": "no"}, status=401))
        assert tries("retried_by_policy") == ("failed", 1)
        assert len(connections.requests) == 1

    def test_a_rate_limit_is_tried_again_when_the_service_says(
        self, connections: ScriptedServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(campaign_cleaner, "LISTING_DELAY_SECONDS", 0.05)
        limited = Reply({"error": "slow down"}, status=429, headers={"Retry-After": "1"})
        connections.play(limited, {"campaign": {"id": "an-id"}}, path="/v1/send_campaign")
        connections.play({"campaign_list": []}, path="/v1/get_campaign_list")
        begun = time.monotonic()
        assert tries("retried_by_policy") == ("success", 2)
        assert 1 <= time.monotonic() - begun < 25  # and not the task's own 30 seconds later
        sent = [request for request in connections.requests if request.path == "/v1/send_campaign"]
        names = {request.json["send_campaign"]["campaign_name"] for request in sent}
        assert (len(sent), len(names)) == (2, 1)

    def test_what_may_heal_is_tried_as_often_as_the_task_says(self, connections: ScriptedServer) -> None:
        connections.play(Reply({"error": "slow down"}, status=429))
        assert tries("retried_at_once") == ("failed", 2)
        assert len(connections.requests) == 2

"""How calls fail: every documented error on one call of each service, and every call with one error."""

from __future__ import annotations

import asyncio
import dataclasses
import inspect
import json
from collections.abc import Callable
from typing import Any

import pytest

from airflow_provider_campaigns.api import campaign_cleaner, instantly
from airflow_provider_campaigns.exceptions import (
    ApiError,
    BadRequestError,
    RejectedError,
    ServiceUnavailableError,
)
from airflow_provider_campaigns.hooks.base import ServiceHook
from airflow_provider_campaigns.hooks.campaign_cleaner import CampaignCleanerHook
from airflow_provider_campaigns.hooks.instantly import InstantlyHook
from airflow_provider_campaigns.transport import retry
from airflow_provider_campaigns.transport.retry import NO_RETRY, Retry
from tests.conftest import KEY
from tests.support.every_call import Failure, Row, failures, methods_of, on_worker
from tests.support.fake_server import FakeServer, Reply

from .campaign_cleaner_rows import ONE_OF_EACH as CAMPAIGN_CLEANER_ROWS
from .instantly_rows import ONE_OF_EACH as INSTANTLY_ROWS

UUID = "019e18e2-a52f-78e7-96f2-b33ee19bb50a"
EVERY_CALL = [
    pytest.param(hook, api, row, id=f"{api.SERVICE.name}.{name}")
    for hook, api, rows in (
        (CampaignCleanerHook, campaign_cleaner, CAMPAIGN_CLEANER_ROWS),
        (InstantlyHook, instantly, INSTANTLY_ROWS),
    )
    for name, row in rows.items()
]
CAMPAIGN_CLEANER_FAILURES = {
    **failures(lambda status, message: {"error": message}),
    "200 error": Failure(Reply({"error": f"No credits for {KEY}"}), RejectedError, "No credits for ***"),
    "200 Error": Failure(Reply({"Error": "no", "status": "failure"}), RejectedError, "no"),
    "200 ERROR object": Failure(
        Reply({"ERROR": {"code": 7, "Message": "slow down"}}), RejectedError, "slow down"
    ),
    "200 error and more": Failure(
        Reply({"error": "no", "campaign_list": [], "credits": 5, "job_id": "x"}), RejectedError, "no"
    ),
}
INSTANTLY_FAILURES = {
    **failures(
        lambda status, message: {"statusCode": status, "error": "The name of the status", "message": message}
    ),
    "400 of analytics": Failure(
        Reply({"message": "No such day"}, status=400), BadRequestError, "No such day"
    ),
    "400 of vitals": Failure(Reply({"error": "accounts!"}, status=400), BadRequestError, "accounts!"),
}


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retry, "INITIAL_BACKOFF", 0.001)


class TestEveryFailure:
    def check(self, connections: FakeServer, failure: Failure, call: Callable[[], Any]) -> str:
        connections.respond(failure.reply)
        with pytest.raises(ApiError) as raised:
            call()
        assert type(raised.value) is failure.error
        assert failure.message in str(raised.value)
        assert raised.value.retry_after == failure.retry_after
        assert KEY not in json.dumps(raised.value.as_dict()) + repr(raised.value)
        assert len(connections.requests) == (5 if failure.is_retried else 1)
        return str(raised.value)

    @pytest.mark.parametrize("failure", CAMPAIGN_CLEANER_FAILURES.values(), ids=CAMPAIGN_CLEANER_FAILURES)
    def test_campaign_cleaner_failure_has_its_error(self, connections: FakeServer, failure: Failure) -> None:
        message = self.check(connections, failure, CampaignCleanerHook().get_credits)
        assert "'campaign_cleaner_default'" in message

    @pytest.mark.parametrize("failure", INSTANTLY_FAILURES.values(), ids=INSTANTLY_FAILURES)
    def test_instantly_failure_has_its_error(self, connections: FakeServer, failure: Failure) -> None:
        message = self.check(connections, failure, lambda: InstantlyHook().get_campaign(UUID))
        assert "'instantly_default'" in message


class TestEveryCall:
    @pytest.mark.parametrize(("hook", "api", "row"), EVERY_CALL)
    def test_only_reads_are_retried(
        self, connections: FakeServer, hook: type[ServiceHook], api: Any, row: Row
    ) -> None:
        connections.respond(*[Reply({}, status=500), Reply({}, status=429)] * 2, row.reply)
        if row.is_read:
            assert on_worker(hook(), api, row) == row.value
        else:
            with pytest.raises(ServiceUnavailableError, match=row.path.partition("?")[0]):
                on_worker(hook(), api, row)
        sent = [(request.method, request.path, request.body) for request in connections.requests]
        assert sent == [sent[0]] * (5 if row.is_read else 1)

    @pytest.mark.parametrize(("hook", "api", "row"), EVERY_CALL)
    def test_retry_argument_reaches_the_transport(
        self, connections: FakeServer, hook: type[ServiceHook], api: Any, row: Row
    ) -> None:
        """With this argument even a change is sent twice, and a read is not sent five times."""
        twice = Retry(attempts=2, not_received=(ServiceUnavailableError,))
        connections.respond(Reply({}, status=500))
        with pytest.raises(ServiceUnavailableError):
            on_worker(hook(), api, row, retry=twice)
        assert len(connections.requests) == 2

    @pytest.mark.parametrize(
        "call",
        [
            lambda: CampaignCleanerHook().aget_campaign_status("x", retry=NO_RETRY),
            lambda: InstantlyHook().aget_sending_status(UUID, retry=NO_RETRY),
            lambda: InstantlyHook().aget_subsequence_sending_status(UUID, retry=NO_RETRY),
        ],
    )
    def test_retry_argument_reaches_the_event_loop(
        self, connections: FakeServer, call: Callable[[], Any]
    ) -> None:
        connections.respond(Reply({}, status=500))
        with pytest.raises(ServiceUnavailableError):
            asyncio.run(call())
        assert len(connections.requests) == 1

    @pytest.mark.parametrize("hook", [CampaignCleanerHook, InstantlyHook])
    def test_every_public_method_has_a_retry_argument(self, hook: type[ServiceHook]) -> None:
        for name in sorted(methods_of(hook) - {"test_connection"}):
            argument = inspect.signature(getattr(hook, name)).parameters.get("retry")
            assert argument is not None, name
            assert (argument.kind, argument.default) == (inspect.Parameter.KEYWORD_ONLY, None), name
            assert argument.annotation == "Retry | None", name

    def test_dataclasses_of_responses_are_frozen(self) -> None:
        for row in (*CAMPAIGN_CLEANER_ROWS.values(), *INSTANTLY_ROWS.values()):
            if dataclasses.is_dataclass(row.value):
                assert type(row.value).__dataclass_params__.frozen, row.name

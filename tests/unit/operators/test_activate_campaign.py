"""An activation is sent once, and counts only if the campaign then shows it."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException, AirflowSensorTimeout

from airflow_provider_campaigns.exceptions import (
    ApiError,
    AuthenticationError,
    BadRequestError,
    IncompleteResponseError,
    MalformedResponseError,
    NotActivatedError,
    NotFoundError,
    PaymentRequiredError,
    RateLimitedError,
    ServiceUnavailableError,
)
from airflow_provider_campaigns.operators.instantly import InstantlyActivateCampaignOperator
from airflow_provider_campaigns.triggers.instantly import InstantlyActivationTrigger
from tests.conftest import KEY
from tests.support.airflow_versions import decrypt_kwargs, encrypt_kwargs
from tests.support.fake_airflow import TaskRunner
from tests.support.fake_clock import FakeClock
from tests.support.fake_server import FakeServer, Reply
from tests.support.responses import INSTANTLY_LINK, UUID, requests_below, sending_status

CAMPAIGN = f"/api/v2/campaigns/{UUID}"
READ, ACTIVATE, POLL = ("GET", ""), ("POST", "/activate"), ("GET", "/sending-status")
UNAVAILABLE = Reply({}, status=503)


def activate(**arguments: Any) -> InstantlyActivateCampaignOperator:
    return InstantlyActivateCampaignOperator(
        **{"task_id": "activate", "campaign_id": UUID, "deferrable": False, **arguments}
    )


def campaign(
    server: FakeServer, *statuses: Any, response: Reply | None = None, codes: tuple[Any, ...] = ()
) -> None:
    """Let the campaign have these statuses and sending statuses, one after another.

    :param response: the response to an activation; by default it shows an unchanged campaign.
    """
    server.requests.clear()
    campaigns = [each if isinstance(each, Reply) else {"id": UUID, "status": each} for each in statuses]
    server.respond(*campaigns, path=CAMPAIGN)
    server.respond(response or Reply({"id": UUID, "status": statuses[0]}), path=f"{CAMPAIGN}/activate")
    if codes:
        replies = [each if isinstance(each, Reply) else sending_status(each) for each in codes]
        server.respond(*replies, path=f"{CAMPAIGN}/sending-status")


def requests(server: FakeServer) -> list[tuple[str, str]]:
    return requests_below(CAMPAIGN, server)


class TestActivation:
    @pytest.mark.parametrize("before", [0, 2])
    def test_draft_or_paused_campaign_is_activated(self, connections: FakeServer, before: int) -> None:
        campaign(connections, before, 1)
        runner = TaskRunner()
        assert runner.run(activate()) == {"campaign_id": UUID, "status": 1}
        assert requests(connections) == [READ, ACTIVATE, READ]
        assert connections.requests[1].body == b""
        assert runner.ti.xcoms == INSTANTLY_LINK

    @pytest.mark.parametrize(
        ("before", "needed", "other"),
        [
            (3, "restart_completed", "restart_stopped"),
            *((each, "restart_stopped", "restart_completed") for each in (-1, -2, -99, 7)),
        ],
    )
    def test_each_restart_has_its_own_flag(
        self, connections: FakeServer, before: int, needed: str, other: str
    ) -> None:
        for arguments in ({}, {other: True}):
            campaign(connections, before, 1)
            with pytest.raises(NotActivatedError, match=f"{needed}=True"):
                TaskRunner().run(activate(**arguments))
            assert requests(connections) == [READ]
        campaign(connections, before, 1)
        assert TaskRunner().run(activate(**{needed: True}))["status"] == 1

    @pytest.mark.parametrize("status", [1, 4])
    def test_active_campaign_is_not_activated_again(self, connections: FakeServer, status: int) -> None:
        campaign(connections, status)
        assert TaskRunner().run(activate()) == {"campaign_id": UUID, "status": status}
        assert requests(connections) == [READ]

    @pytest.mark.parametrize(
        ("after", "named"),
        [
            (0, r"draft \(0\)"),
            (2, r"paused \(2\)"),
            (-99, r"account suspended \(-99\)"),
            (7, r"unknown \(7\)"),
        ],
    )
    def test_accepted_activation_without_effect_is_final(
        self, connections: FakeServer, after: int, named: str
    ) -> None:
        campaign(connections, 0, after, response=Reply({"id": UUID, "status": 1}))
        with pytest.raises(NotActivatedError, match=named) as raised:
            TaskRunner().run(activate(wait_timeout=3600))
        assert raised.value.final
        assert requests(connections) == [READ, ACTIVATE, READ]

    @pytest.mark.parametrize(
        ("response", "error"),
        [
            (Reply({}, status=500), ServiceUnavailableError),
            (Reply({}, status=503), ServiceUnavailableError),
            (Reply({}, status=408), ServiceUnavailableError),
            (Reply(drop="before"), IncompleteResponseError),
            (Reply({"status": 1}, drop="headers"), IncompleteResponseError),
            (Reply({"status": 1}, drop="body"), IncompleteResponseError),
            (Reply(b"<html>"), MalformedResponseError),
        ],
    )
    def test_lost_response_counts_if_the_campaign_is_active(
        self, connections: FakeServer, response: Reply, error: type[ApiError]
    ) -> None:
        campaign(connections, 0, 1, response=response)
        assert TaskRunner().run(activate()) == {"campaign_id": UUID, "status": 1}
        assert requests(connections) == [READ, ACTIVATE, READ]

        campaign(connections, 0, response=response)
        with pytest.raises(error, match="/activate") as raised:
            TaskRunner().run(activate())
        assert not isinstance(raised.value, AirflowFailException)  # Airflow may retry it
        assert requests(connections) == [READ, ACTIVATE, READ]

    def test_retry_does_not_repeat_a_late_activation(self, connections: FakeServer) -> None:
        campaign(connections, 0, 0, 1, response=Reply(drop="before"))
        with pytest.raises(IncompleteResponseError):
            TaskRunner().run(activate())
        assert TaskRunner().run(activate())["status"] == 1
        assert requests(connections).count(ACTIVATE) == 1

    def test_lost_response_is_the_error_if_the_read_fails(self, connections: FakeServer) -> None:
        campaign(connections, 0, Reply({}, status=401), response=Reply({}, status=502))
        with pytest.raises(ServiceUnavailableError, match="502") as raised:
            TaskRunner().run(activate())
        assert isinstance(raised.value.__cause__, AuthenticationError)
        assert requests(connections) == [READ, ACTIVATE, READ]

    @pytest.mark.parametrize(
        ("status", "error"),
        [
            (400, BadRequestError),
            (401, AuthenticationError),
            (402, PaymentRequiredError),
            (404, NotFoundError),
            (429, RateLimitedError),
        ],
    )
    def test_refused_activation_fails_at_once(
        self, connections: FakeServer, status: int, error: type[ApiError]
    ) -> None:
        campaign(connections, 0, 1, response=Reply({"message": "no"}, status=status))
        with pytest.raises(error):
            TaskRunner().run(activate())
        assert requests(connections) == [READ, ACTIVATE]

    @pytest.mark.parametrize("status", [None, "1", True, [1], 1.5])
    def test_campaign_without_valid_status_is_not_activated(
        self, connections: FakeServer, status: Any
    ) -> None:
        campaign(connections, status)
        with pytest.raises(MalformedResponseError, match=f"Campaign {UUID}: .* no valid status"):
            TaskRunner().run(activate())
        assert requests(connections) == [READ]

    def test_failed_read_is_repeated(self, connections: FakeServer) -> None:
        campaign(connections, UNAVAILABLE, 0, UNAVAILABLE, 1)
        assert TaskRunner().run(activate())["status"] == 1
        assert requests(connections) == [READ, READ, ACTIVATE, READ, READ]


class TestWait:
    def test_task_does_not_wait_without_wait_timeout(self, connections: FakeServer) -> None:
        campaign(connections, 0, 1, codes=("campaign_draft",))
        TaskRunner().run(activate(wait_timeout=0))
        assert POLL not in requests(connections)

    @pytest.mark.parametrize("before", [0, 1])
    def test_wait_ends_when_the_sending_status_leaves_draft(
        self, connections: FakeServer, deferrable: bool, before: int
    ) -> None:
        campaign(connections, before, 1, codes=("campaign_draft", "campaign_draft", "waiting_for_leads"))
        runner = TaskRunner()
        assert runner.run(activate(wait_timeout=3600, deferrable=deferrable)) == {
            "campaign_id": UUID,
            "status": 1,
            "sending_status": "waiting_for_leads",
        }
        assert requests(connections).count(POLL) == 3
        assert requests(connections).count(ACTIVATE) == (1 if before == 0 else 0)
        assert len(runner.deferrals) == int(deferrable)
        assert runner.ti.xcoms.items() >= INSTANTLY_LINK.items()

    @pytest.mark.parametrize(
        "response",
        [
            sending_status(None),
            sending_status(1),
            Reply({}),
            Reply({"diagnostics": None, "summary": None}),
            Reply(b"<html>"),
            Reply(b"[]"),
        ],
        ids=["null", "number", "empty", "nulls", "not JSON", "list"],
    )
    def test_response_without_code_is_no_failure(
        self, connections: FakeServer, deferrable: bool, response: Any
    ) -> None:
        campaign(connections, 1, codes=(response, response, "healthy"))
        result = TaskRunner().run(activate(wait_timeout=3600, deferrable=deferrable, max_failures=1))
        assert result["sending_status"] == "healthy"
        assert requests(connections) == [READ, *[POLL] * 3, READ]

    def test_paused_sending_status_is_waited_for(self, connections: FakeServer, deferrable: bool) -> None:
        campaign(connections, 2, 1, codes=("campaign_paused", "out_of_schedule"))
        result = TaskRunner().run(activate(wait_timeout=3600, deferrable=deferrable))
        assert result["sending_status"] == "out_of_schedule"

    def test_campaign_stopped_during_the_wait_is_an_error(
        self, connections: FakeServer, deferrable: bool
    ) -> None:
        campaign(connections, 0, 1, -2, codes=("campaign_draft", "campaign_bounce_protect"))
        with pytest.raises(NotActivatedError, match="is now bounce protect"):
            TaskRunner().run(activate(wait_timeout=3600, deferrable=deferrable))

    def test_timeout_names_the_last_sending_status(
        self, connections: FakeServer, deferrable: bool, clock: FakeClock
    ) -> None:
        campaign(connections, 0, 1, codes=("campaign_draft",))
        with pytest.raises(AirflowSensorTimeout, match=r"within 600 s\. Last status: campaign_draft"):
            TaskRunner().run(activate(wait_timeout=600, deferrable=deferrable))
        assert clock.slept == pytest.approx(600, abs=2)
        assert requests(connections).count(POLL) == 11
        assert requests(connections).count(ACTIVATE) == 1

    def test_timeout_names_the_last_error(self, connections: FakeServer, deferrable: bool) -> None:
        campaign(connections, 1, codes=("campaign_draft", UNAVAILABLE))
        with pytest.raises(AirflowSensorTimeout, match=r"last poll failed: .*503"):
            TaskRunner().run(activate(wait_timeout=150, deferrable=deferrable))

    def test_five_failures_in_a_row_end_the_wait(self, connections: FakeServer, deferrable: bool) -> None:
        codes = ("campaign_draft", *[UNAVAILABLE] * 4, "campaign_draft", UNAVAILABLE, "healthy")
        campaign(connections, 1, codes=codes)
        task = activate(wait_timeout=7200, deferrable=deferrable)
        assert TaskRunner().run(task)["sending_status"] == "healthy"
        campaign(connections, 1, codes=("campaign_draft", UNAVAILABLE))
        with pytest.raises(ServiceUnavailableError):
            TaskRunner().run(task)
        assert requests(connections).count(POLL) == 6

    def test_final_error_ends_the_wait_at_once(self, connections: FakeServer, deferrable: bool) -> None:
        campaign(connections, 1, codes=("campaign_draft", Reply({}, status=401)))
        with pytest.raises(AuthenticationError):
            TaskRunner().run(activate(wait_timeout=3600, deferrable=deferrable))
        assert requests(connections).count(POLL) == 2

    def test_stored_trigger_can_be_restored_and_has_no_key(self, connections: FakeServer) -> None:
        campaign(connections, 1, codes=("campaign_draft", "healthy"))
        runner = TaskRunner()
        before = time.time()
        runner.run(activate(wait_timeout=500, deferrable=True, max_failures=3, poke_interval=7))
        ((classpath, stored),) = runner.deferrals
        assert classpath == "airflow_provider_campaigns.triggers.instantly.InstantlyActivationTrigger"
        assert runner.timeouts == pytest.approx([560], abs=1)
        arguments = {
            "campaign_id": UUID,
            "instantly_conn_id": "instantly_default",
            "poke_interval": 7.0,
            "deadline": pytest.approx(before + 500, abs=1),
            "max_failures": 3,
            "first_poll_at": pytest.approx(before + 7, abs=1),
            "failures": 0,
        }
        trigger = InstantlyActivationTrigger(**stored)
        assert trigger.serialize() == (classpath, arguments)
        kept = decrypt_kwargs(encrypt_kwargs(trigger.serialize()[1]))
        assert InstantlyActivationTrigger(**kept).serialize() == trigger.serialize()
        assert KEY not in json.dumps([stored, runner.events])


class TestArguments:
    @pytest.mark.parametrize(
        ("arguments", "named"),
        [
            ({"campaign_id": ""}, "campaign_id"),
            ({"campaign_id": None}, "campaign_id"),
            ({"campaign_id": "42"}, "campaign_id"),
            ({"wait_timeout": -1}, "wait_timeout"),
            ({"wait_timeout": "an hour"}, "wait_timeout"),
            ({"restart_stopped": "False"}, "restart_stopped"),
            ({"restart_completed": "False"}, "restart_completed"),
            ({"poke_interval": float("nan")}, "poke_interval"),
            ({"max_failures": 0}, "max_failures"),
        ],
    )
    def test_invalid_argument_fails_dag_parsing(self, arguments: dict[str, Any], named: str) -> None:
        with pytest.raises(ValueError, match=named):
            activate(**arguments)

    @pytest.mark.parametrize("rendered", ["", "None", f"{UUID}/../x"])
    def test_invalid_rendered_id_sends_nothing(self, connections: FakeServer, rendered: str) -> None:
        task = activate(campaign_id="{{ params.id }}")
        task.campaign_id = rendered
        with pytest.raises(ValueError, match="campaign_id"):
            TaskRunner().run(task)
        assert connections.requests == []

"""The components: everything in this provider that sends requests, one value each."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from airflow_provider_campaigns.hooks.campaign_cleaner import CampaignCleanerHook
from airflow_provider_campaigns.hooks.instantly import InstantlyHook
from airflow_provider_campaigns.operators.campaign_cleaner import (
    CampaignCleanerGetCampaignOperator,
    CampaignCleanerSubmitCampaignOperator,
)
from airflow_provider_campaigns.operators.instantly import (
    InstantlyAddLeadsOperator,
    InstantlySendGateOperator,
)
from airflow_provider_campaigns.sensors.campaign_cleaner import CampaignCleanerCampaignSensor
from tests.support.fake_airflow import TaskInstance, TaskRunner
from tests.support.fake_clock import FakeClock
from tests.support.fake_server import Reply, Request

ID = "e8c8af95-c033-11ed-9848-003048d8d536"
UUID = "019e18e2-a52f-78e7-96f2-b33ee19bb50a"
SEND, LIST = "/v1/send_campaign", "/v1/get_campaign_list"
# How often a task is run again, by Airflow's retries or a clear.
RETRIES = 9
SENSOR_TIMEOUT = 900.0
GATE_TIMEOUT = 3600.0
LEADS = [{"email": "ann@example.com"}, {"email": "bob@example.com"}]


class Family(Enum):
    """Components that handle faults in the same way."""

    READ = "sends one request, and retries it"
    SENSOR = "polls every 10 s for 900 s"
    GATE_ONCE = "polls once; a malformed response does not open it"
    GATE_WAIT = "polls every 60 s for an hour; a malformed response does not open it"
    SUBMIT = "submits; the service lists no campaign"
    SUBMIT_LISTED = "submits; the service lists the campaign, whatever it responded"
    LEADS = "adds leads"


@dataclass
class Attempt:
    """One try of a component.

    :param number: 1 for the first.
    :param store: the task state store, which lasts from one try to the next.
    :ivar stored: everything that the task stored in Airflow.
    """

    number: int = 1
    store: dict[str, Any] = field(default_factory=dict)
    stored: list[Any] = field(default_factory=list)

    def run(self, task: Any) -> Any:
        """Run a task to its end."""
        runner = TaskRunner(ti=TaskInstance(try_number=self.number, max_tries=RETRIES), store=self.store)
        self.stored += [runner.events, runner.deferrals, runner.ti.xcoms, self.store]
        return runner.run(task)


@dataclass(frozen=True)
class Component:
    """Something that sends requests.

    :param name: the name of its column in the documentation.
    :param path: the path of the request that a fault happens to.
    :param response: returns the body of a successful response.
    :param run: runs it.
    :param is_right: returns whether its result is right.
    :param pending_response: returns the body of a response with which a wait goes on; None without a wait.
    :param polls_before_deferral: its first poll is on a worker; the fault happens to the trigger's.
    :param polls_after_wait: it polls once more on a worker, after the trigger's event.
    :param uses_aiohttp_get: aiohttp itself repeats a GET whose connection breaks before the response.
    """

    name: str
    conn_type: str
    family: Family
    path: str
    response: Callable[[Request, FakeClock], Any]
    run: Callable[[Attempt], Any]
    is_right: Callable[[Any], bool]
    pending_response: Callable[[Request, FakeClock], Any] | None = None
    polls_before_deferral: bool = False
    polls_after_wait: bool = False
    uses_aiohttp_get: bool = False

    @property
    def conn_id(self) -> str:
        return f"{self.conn_type}_default"

    def success(self, clock: FakeClock) -> Reply:
        return Reply(lambda request: _with_key(self.response(request, clock), request))

    def pending(self, clock: FakeClock) -> Reply:
        pending_response = self.pending_response
        assert pending_response is not None
        return Reply(lambda request: _with_key(pending_response(request, clock), request))


def key_in(request: Request) -> str:
    """Return the key that a request carries."""
    headers = {name.lower(): value for name, value in request.headers.items()}
    return headers.get("x-cc-api-key") or headers["authorization"].removeprefix("Bearer ")


def _with_key(body: Mapping[str, Any], request: Request) -> bytes:
    """Return a body that also contains the key of the request."""
    return json.dumps({**body, "echoed_key": key_in(request)}).encode()


def _campaign(status: str) -> Callable[[Request, FakeClock], Any]:
    return lambda _request, _clock: {"campaign_status": {"id": ID, "status": status}}


def _sending(code: str) -> Callable[[Request, FakeClock], Any]:
    def body(_: Request, clock: FakeClock) -> Any:
        diagnostics = {
            "status": code,
            "campaign_id": UUID,
            "last_updated": clock.correct_now().isoformat(timespec="milliseconds"),
        }
        return {"diagnostics": diagnostics, "summary": None}

    return body


def _result(_request: Request, _clock: FakeClock) -> Any:
    return {"campaign": {"id": ID, "campaign_html": "<p>clean</p>", "total_links": 3}}


def _accepted(_request: Request, _clock: FakeClock) -> Any:
    return {"campaign": {"id": ID}}


def _added(request: Request, _clock: FakeClock) -> Any:
    count = len(request.json["leads"])
    return {"status": "success", "total_sent": count, "leads_uploaded": count}


def _sensor(**mode: Any) -> Callable[[Attempt], Any]:
    return lambda attempt: attempt.run(
        CampaignCleanerCampaignSensor(
            task_id="wait", campaign_id=ID, timeout=SENSOR_TIMEOUT, retries=RETRIES, **mode
        )
    )


def _gate(**arguments: Any) -> Callable[[Attempt], Any]:
    return lambda attempt: attempt.run(
        InstantlySendGateOperator(task_id="gate", campaign_id=UUID, retries=RETRIES, **arguments)
    )


def _submit(attempt: Attempt) -> Any:
    return attempt.run(
        CampaignCleanerSubmitCampaignOperator(
            task_id="submit", campaign_html="<p>Hi</p>", campaign_name="Spring", retries=RETRIES
        )
    )


def _get(attempt: Attempt) -> Any:
    return attempt.run(
        CampaignCleanerGetCampaignOperator(task_id="get", campaign_id=ID, retries=RETRIES, deferrable=False)
    )


def _add_leads(attempt: Attempt) -> Any:
    return attempt.run(
        InstantlyAddLeadsOperator(task_id="add", campaign_id=UUID, leads=LEADS, retries=RETRIES)
    )


_STATUS = "/v1/get_campaign_status"
_SENDING_STATUS = f"/api/v2/campaigns/{UUID}/sending-status"

CALLS = (
    Component(
        "`get_campaign_status`",
        "campaign_cleaner",
        Family.READ,
        _STATUS,
        _campaign("completed"),
        lambda _: CampaignCleanerHook().get_campaign_status(ID),
        lambda status: status.status == "completed",
    ),
    Component(
        "`aget_campaign_status`",
        "campaign_cleaner",
        Family.READ,
        _STATUS,
        _campaign("completed"),
        lambda _: asyncio.run(CampaignCleanerHook().aget_campaign_status(ID)),
        lambda status: status.status == "completed",
    ),
    Component(
        "`get_sending_status`",
        "instantly",
        Family.READ,
        _SENDING_STATUS,
        _sending("healthy"),
        lambda _: InstantlyHook().get_sending_status(UUID),
        lambda status: status.status == "healthy",
    ),
    Component(
        "`aget_sending_status`",
        "instantly",
        Family.READ,
        _SENDING_STATUS,
        _sending("healthy"),
        lambda _: asyncio.run(InstantlyHook().aget_sending_status(UUID)),
        lambda status: status.status == "healthy",
        uses_aiohttp_get=True,
    ),
    Component(
        "get",
        "campaign_cleaner",
        Family.READ,
        "/v1/get_campaign",
        _result,
        _get,
        lambda xcom: xcom == {"id": ID, "campaign_html": "<p>clean</p>", "total_links": 3},
    ),
)
CHANGES = (
    Component(
        "submit; not listed",
        "campaign_cleaner",
        Family.SUBMIT,
        SEND,
        _accepted,
        _submit,
        lambda campaign_id: campaign_id == ID,
    ),
    Component(
        "submit; listed",
        "campaign_cleaner",
        Family.SUBMIT_LISTED,
        SEND,
        _accepted,
        _submit,
        lambda campaign_id: campaign_id == ID,
    ),
    Component(
        "add leads",
        "instantly",
        Family.LEADS,
        "/api/v2/leads/add",
        _added,
        _add_leads,
        lambda xcom: (xcom["complete"], xcom["leads_uploaded"]) == (True, len(LEADS)),
    ),
)
_MODES: dict[str, dict[str, Any]] = {
    "poke": {"deferrable": False, "mode": "poke"},
    "reschedule": {"deferrable": False, "mode": "reschedule"},
    "deferrable": {"deferrable": True},
}
SENSORS = tuple(
    Component(
        f"sensor, {name}",
        "campaign_cleaner",
        Family.SENSOR,
        _STATUS,
        _campaign("completed"),
        _sensor(**mode),
        lambda campaign_id: campaign_id == ID,
        pending_response=_campaign("processing"),
        polls_before_deferral=mode["deferrable"],
    )
    for name, mode in _MODES.items()
)
GATES = (
    Component(
        "gate, no wait",
        "instantly",
        Family.GATE_ONCE,
        _SENDING_STATUS,
        _sending("healthy"),
        _gate(deferrable=False),
        lambda verdict: verdict["open"] is True,
    ),
    Component(
        "gate, waits on a worker",
        "instantly",
        Family.GATE_WAIT,
        _SENDING_STATUS,
        _sending("healthy"),
        _gate(deferrable=False, wait_timeout=GATE_TIMEOUT),
        lambda verdict: verdict["open"] is True,
        pending_response=_sending("daily_limit_met"),
    ),
    Component(
        "gate, deferrable",
        "instantly",
        Family.GATE_WAIT,
        _SENDING_STATUS,
        _sending("healthy"),
        _gate(deferrable=True, wait_timeout=GATE_TIMEOUT),
        lambda verdict: verdict["open"] is True,
        pending_response=_sending("daily_limit_met"),
        polls_before_deferral=True,
        polls_after_wait=True,
        uses_aiohttp_get=True,
    ),
)
COMPONENTS = (*CALLS, *CHANGES, *SENSORS, *GATES)

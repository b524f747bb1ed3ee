"""What a fault can meet: the things of this provider that ask a service, one as data each."""

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
from tests.support.fake_clock import Clock
from tests.support.fake_server import Reply, Request
from tests.support.triggerer import Driven, TaskInstance

ID = "e8c8af95-c033-11ed-9848-003048d8d536"
UUID = "019e18e2-a52f-78e7-96f2-b33ee19bb50a"
SEND, LIST = "/v1/send_campaign", "/v1/get_campaign_list"
# Airflow's retries, or a person who clears the task.
RETRIES = 9
SENSOR_TIMEOUT = 900.0
GATE_TIMEOUT = 3600.0
LEADS = [{"email": "ann@example.com"}, {"email": "bob@example.com"}]


class Family(Enum):
    """Things that meet a fault alike."""

    READ = "reads once, and again where a moment may help"
    SENSOR = "looks every 10 s for 900 s"
    GATE_LOOK = "looks once; what it cannot read opens nothing"
    GATE = "looks every 60 s for an hour; what it cannot read opens nothing"
    SUBMIT = "submits; the service does not list what it did not answer for"
    SUBMIT_LISTED = "submits; the service lists it, whatever it answered"
    LEADS = "adds leads"


@dataclass
class Attempt:
    """One try of a component.

    :param number: 1 for the first.
    :param store: what Airflow keeps for the task between its tries.
    """

    number: int = 1
    store: dict[str, Any] = field(default_factory=dict)
    left_behind: list[Any] = field(default_factory=list)

    def drive(self, task: Any) -> Any:
        """Take a task through its life."""
        driven = Driven(ti=TaskInstance(try_number=self.number, max_tries=RETRIES), store=self.store)
        self.left_behind += [driven.events, driven.deferrals, driven.ti.xcoms, self.store]
        return driven.run(task)


@dataclass(frozen=True)
class Component:
    """Something that asks a service.

    :param name: as a column of the matrix calls it.
    :param conn_type: which service it asks.
    :param family: how it takes a fault.
    :param path: where a fault meets it.
    :param answer: what the service says when all is well, out of a request and the time.
    :param run: asks.
    :param is_right: tells whether that has come out as it should.
    :param not_yet: what the service says while a wait has to go on; None for what does not wait.
    :param begins_on_worker: its first look is on a worker, and meets no fault.
    :param looks_again: after the wait it looks once more, on a worker.
    :param is_get_of_aiohttp: aiohttp itself repeats a request that breaks before its answer.
    """

    name: str
    conn_type: str
    family: Family
    path: str
    answer: Callable[[Request, Clock], Any]
    run: Callable[[Attempt], Any]
    is_right: Callable[[Any], bool]
    not_yet: Callable[[Request, Clock], Any] | None = None
    begins_on_worker: bool = False
    looks_again: bool = False
    is_get_of_aiohttp: bool = False

    @property
    def conn_id(self) -> str:
        return f"{self.conn_type}_default"

    def good(self, clock: Clock) -> Reply:
        return Reply(lambda request: _telling_the_key(self.answer(request, clock), request))

    def waiting(self, clock: Clock) -> Reply:
        not_yet = self.not_yet
        assert not_yet is not None
        return Reply(lambda request: _telling_the_key(not_yet(request, clock), request))


def key_in(request: Request) -> str:
    """The key that a request carries."""
    headers = {name.lower(): value for name, value in request.headers.items()}
    return headers.get("x-cc-api-key") or headers["authorization"].removeprefix("Bearer ")


def _telling_the_key(answer: Mapping[str, Any], request: Request) -> bytes:
    """A service that is careless with keys: each answer holds the one that it was asked with."""
    return json.dumps({**answer, "asked_with": key_in(request)}).encode()


def _campaign(status: str) -> Callable[[Request, Clock], Any]:
    return lambda _request, _clock: {"campaign_status": {"id": ID, "status": status}}


def _sending(code: str) -> Callable[[Request, Clock], Any]:
    def answer(_: Request, clock: Clock) -> Any:
        diagnostics = {
            "status": code,
            "campaign_id": UUID,
            "last_updated": clock.true_now().isoformat(timespec="milliseconds"),
        }
        return {"diagnostics": diagnostics, "summary": None}

    return answer


def _result(_request: Request, _clock: Clock) -> Any:
    return {"campaign": {"id": ID, "campaign_html": "<p>clean</p>", "total_links": 3}}


def _taken(_request: Request, _clock: Clock) -> Any:
    return {"campaign": {"id": ID}}


def _added(request: Request, _clock: Clock) -> Any:
    count = len(request.json["leads"])
    return {"status": "success", "total_sent": count, "leads_uploaded": count}


def _sensor(**mode: Any) -> Callable[[Attempt], Any]:
    return lambda attempt: attempt.drive(
        CampaignCleanerCampaignSensor(
            task_id="wait", campaign_id=ID, timeout=SENSOR_TIMEOUT, retries=RETRIES, **mode
        )
    )


def _gate(**arguments: Any) -> Callable[[Attempt], Any]:
    return lambda attempt: attempt.drive(
        InstantlySendGateOperator(task_id="gate", campaign_id=UUID, retries=RETRIES, **arguments)
    )


def _submit(attempt: Attempt) -> Any:
    return attempt.drive(
        CampaignCleanerSubmitCampaignOperator(
            task_id="submit", campaign_html="<p>Hi</p>", campaign_name="Spring", retries=RETRIES
        )
    )


def _get(attempt: Attempt) -> Any:
    return attempt.drive(
        CampaignCleanerGetCampaignOperator(task_id="get", campaign_id=ID, retries=RETRIES, deferrable=False)
    )


def _add_leads(attempt: Attempt) -> Any:
    return attempt.drive(
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
        is_get_of_aiohttp=True,
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
        _taken,
        _submit,
        lambda campaign_id: campaign_id == ID,
    ),
    Component(
        "submit; listed",
        "campaign_cleaner",
        Family.SUBMIT_LISTED,
        SEND,
        _taken,
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
SENSORS = tuple(
    Component(
        f"sensor, {name}",
        "campaign_cleaner",
        Family.SENSOR,
        _STATUS,
        _campaign("completed"),
        _sensor(**mode),
        lambda campaign_id: campaign_id == ID,
        not_yet=_campaign("processing"),
    )
    for name, mode in {
        "poke": {"deferrable": False, "mode": "poke"},
        "reschedule": {"deferrable": False, "mode": "reschedule"},
        "deferrable": {"deferrable": True},
    }.items()
)
GATES = (
    Component(
        "gate, one look",
        "instantly",
        Family.GATE_LOOK,
        _SENDING_STATUS,
        _sending("healthy"),
        _gate(deferrable=False),
        lambda verdict: verdict["open"] is True,
    ),
    Component(
        "gate, waiting on a worker",
        "instantly",
        Family.GATE,
        _SENDING_STATUS,
        _sending("healthy"),
        _gate(deferrable=False, wait_timeout=GATE_TIMEOUT),
        lambda verdict: verdict["open"] is True,
        not_yet=_sending("out_of_schedule"),
    ),
    Component(
        "gate, deferred",
        "instantly",
        Family.GATE,
        _SENDING_STATUS,
        _sending("healthy"),
        _gate(deferrable=True, wait_timeout=GATE_TIMEOUT),
        lambda verdict: verdict["open"] is True,
        not_yet=_sending("out_of_schedule"),
        begins_on_worker=True,
        looks_again=True,
        is_get_of_aiohttp=True,
    ),
)
COMPONENTS = (*CALLS, *CHANGES, *SENSORS, *GATES)

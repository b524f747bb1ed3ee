"""All data of the sandbox, and its clock. No I/O.

Only the clock decides whether a campaign is completed or a job has ended, so a test with its own clock never
sleeps. The server changes the state in one thread; a test can read and change it in another, because each
step is a single operation on a built-in container.
"""

from __future__ import annotations

import re
import secrets
import uuid
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, timezone
from fnmatch import fnmatchcase
from typing import Any, TypeVar

from airflow_provider_campaigns.api.campaign_cleaner import CampaignState
from airflow_provider_campaigns.api.instantly import JobStatus
from airflow_provider_campaigns.sandbox import seed
from airflow_provider_campaigns.sandbox.exchange import LoggedRequest
from airflow_provider_campaigns.sandbox.instantly.loops import Loops, run_loops
from airflow_provider_campaigns.sandbox.options import Options

Clock = Callable[[], datetime]
Scripted = str | None | dict[str, Any]
_T = TypeVar("_T")

_REQUESTS_KEPT = 10_000
JOB_TIME = timedelta(seconds=4)
_PENDING_SHARE = 1 / 3
_SECRET_PARAMETER = re.compile("key|token|secret|auth|password", re.IGNORECASE)


def utc_now() -> datetime:
    """Return the current time; the default clock."""
    return datetime.now(timezone.utc)


@dataclass
class SubmittedCampaign:
    """A submitted campaign of Campaign Cleaner."""

    id: str
    name: str
    html: str = field(repr=False)
    settings: Mapping[str, Any]
    custom_info: str
    added: datetime
    ready_at: datetime
    fixed_status: str | None = None

    def status(self, now: datetime) -> str:
        """Return its state: the fixed one, or the one that follows from the time."""
        if self.fixed_status is not None:
            return self.fixed_status
        state = CampaignState.PROCESSING if now < self.ready_at else CampaignState.COMPLETED
        return state.value


@dataclass(frozen=True)
class InboxTest:
    """An inbox placement test whose mails arrive evenly over ``seconds``."""

    id: str
    name: str
    submitted: datetime
    seconds: float

    def progress(self, now: datetime) -> float:
        """Return the elapsed share of its time, 0 to 1."""
        return _share(self.submitted, now, self.seconds)


@dataclass(frozen=True)
class Job:
    """A background job of Instantly: pending for a third of its time, then in progress, then ended.

    :param outcome: its final status.
    :param fixed_status: a status that was set and stays.
    """

    id: str
    type: str
    entity_id: str | None
    data: Mapping[str, Any]
    created: datetime
    outcome: str = JobStatus.SUCCESS.value
    fixed_status: str | None = None

    def progress(self, now: datetime) -> float:
        """Return the elapsed share of its time, 0 to 1."""
        return _share(self.created, now, JOB_TIME.total_seconds())

    def status(self, now: datetime) -> str:
        """Return its status: the fixed one, or the one that follows from the time."""
        if self.fixed_status is not None:
            return self.fixed_status
        share = self.progress(now)
        if share >= 1:
            return self.outcome
        status = JobStatus.IN_PROGRESS if share >= _PENDING_SHARE else JobStatus.PENDING
        return status.value

    @property
    def succeeds(self) -> bool:
        """Whether it ends, or has ended, with success."""
        return (self.fixed_status or self.outcome) == JobStatus.SUCCESS.value


@dataclass
class Fault:
    """A fault of a service, for a number of requests.

    :param path: a prefix of the path, or a pattern if it contains ``*``, ``?`` or ``[``.
    :param times: how many more requests it applies to; None for all.
    :param drop: where the connection closes: ``before`` the request is processed, or after that, within the
        ``headers`` or the ``body`` of the response.
    """

    path: str
    method: str | None = None
    times: int | None = 1
    delay: float = 0.0
    status: int | None = None
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    content_type: str | None = None
    drop: str | None = None

    @property
    def replaces_response(self) -> bool:
        """Whether it replaces the response."""
        return self.status is not None or self.body is not None

    def matches(self, method: str, path: str) -> bool:
        """Return whether this fault applies to a request."""
        if self.method not in (None, method):
            return False
        if any(mark in self.path for mark in "*?["):
            return fnmatchcase(path, self.path)
        return path.startswith(self.path)


class SandboxState:
    """The data of both services, the remaining faults and the request log."""

    def __init__(self, options: Options | None = None, clock: Clock = utc_now) -> None:
        self.options = options or Options()
        self.clock = clock
        self.reset()

    def reset(self) -> None:
        """Reset everything to the initial data."""
        now = self.clock()
        self.credits = self.options.credits
        self.submitted: dict[str, SubmittedCampaign] = {}
        self.inbox_tests: dict[str, InboxTest] = {}
        self.workspace = seed.workspace(now)
        self.campaigns = seed.campaigns(now)
        self.subsequences = seed.subsequences(now)
        self.accounts = seed.accounts(now)
        self.leads: dict[str, dict[str, Any]] = {}
        self.jobs: dict[str, Job] = {}
        self.job_outcomes: list[str] = []
        self.blocklist = {seed.BLOCKED_DOMAIN}
        self.scopes = self.options.instantly_scopes
        self.unaccounted_leads = {email.lower() for email in self.options.unaccounted_leads}
        self.habits = set(self.options.habits)
        self.edge_requests = 0
        self.scripts: dict[str, list[Scripted]] = {}
        self.faults: list[Fault] = []
        self.requests: deque[LoggedRequest] = deque(maxlen=_REQUESTS_KEPT)
        self.loops = Loops(self.options.loop_seconds, now)
        self.run_loops()

    def run_loops(self) -> None:
        """Run the loops over Instantly's campaigns that are due; the server does it before each request."""
        run_loops(self)

    def set_loop_seconds(self, seconds: float) -> None:
        """Set the time from one loop to the next; the next one is as long from now."""
        self.run_loops()
        self.loops.restart(seconds, self.clock())

    def submit(
        self, name: str, html: str, settings: Mapping[str, Any], custom_info: str = ""
    ) -> SubmittedCampaign:
        """Submit a campaign, and spend a credit."""
        now = self.clock()
        self.credits -= 1
        ready_at = now + timedelta(seconds=self.options.processing_seconds)
        campaign = SubmittedCampaign(new_id(), name, html, settings, custom_info, now, ready_at)
        self.submitted[campaign.id] = campaign
        return campaign

    def set_processing_seconds(self, campaign_id: str, seconds: float) -> None:
        """Set how long a campaign is processing from now on."""
        campaign = self.submitted[campaign_id]
        campaign.ready_at = self.clock() + timedelta(seconds=seconds)
        campaign.fixed_status = None

    def start_inbox_test(self, name: str) -> InboxTest:
        """Start an inbox placement test, which takes as long as a campaign."""
        test = InboxTest(new_id(), name, self.clock(), self.options.processing_seconds)
        self.inbox_tests[test.id] = test
        return test

    def start_job(self, kind: str, entity_id: str | None, **data: Any) -> Job:
        """Start a background job on a campaign or list."""
        outcome = _next_of(self.job_outcomes, JobStatus.SUCCESS.value)
        job = Job(secrets.token_hex(12), kind, entity_id, data, self.clock(), outcome)
        self.jobs[job.id] = job
        return job

    def play_job_outcomes(self, sequence: Iterable[str]) -> None:
        """Play a list of final statuses for the next jobs; an empty list ends it.

        Each new job takes the next entry, and the last entry stays.
        """
        self.job_outcomes = list(sequence)

    def set_job_status(self, job_id: str, status: str) -> Job:
        """Set the status of a job, which then stays."""
        job = self.jobs[job_id] = replace(self.jobs[job_id], fixed_status=status)
        return job

    def leads_in(self, target_id: str) -> list[dict[str, Any]]:
        """Return the leads of a campaign or list."""
        return [
            lead for lead in list(self.leads.values()) if target_id in (lead["campaign"], lead["list_id"])
        ]

    def mark_leads_mailed(self, campaign_id: str) -> None:
        """Mark all leads of a campaign as mailed to the end: the campaign has no lead left."""
        self.run_loops()
        for lead in self.leads_in(campaign_id):
            lead["status"] = seed.COMPLETED_LEAD

    def play_sending_status(self, target_id: str, sequence: Iterable[Scripted]) -> None:
        """Play a list of sending statuses for a campaign or subsequence; an empty list ends it.

        Each request takes the next entry, and the last entry stays.

        :param sequence: the entries, in the form of the control API.
        """
        self.scripts[target_id] = list(sequence)

    def next_scripted(self, target_id: str, otherwise: Scripted) -> Scripted:
        """Take the next entry of the list that is played, or return the default."""
        return _next_of(self.scripts.get(target_id, []), otherwise)

    def next_fault(self, method: str, path: str) -> Fault | None:
        """Take the first fault that applies to a request."""
        fault = next((each for each in list(self.faults) if each.matches(method, path)), None)
        if fault is not None and fault.times is not None:
            fault.times -= 1
            if fault.times < 1:
                self.faults.remove(fault)
        return fault

    def record(
        self, service: str, method: str, path: str, query: Mapping[str, str], body_size: int
    ) -> LoggedRequest:
        """Add a request to the log, still without its status."""
        shown = {name: value for name, value in query.items() if not _SECRET_PARAMETER.search(name)}
        entry = LoggedRequest(seed.timestamp(self.clock()), service, method, path, shown, body_size)
        self.requests.append(entry)
        return entry


def new_id() -> str:
    """Return a new id."""
    return str(uuid.uuid4())


def _next_of(script: list[_T], otherwise: _T) -> _T:
    """Take the next entry of a list whose last entry stays; return the default if it is empty."""
    return (script.pop(0) if len(script) > 1 else script[0]) if script else otherwise


def _share(start: datetime, now: datetime, seconds: float) -> float:
    if seconds <= 0:
        return 1.0
    return min(max((now - start).total_seconds() / seconds, 0.0), 1.0)

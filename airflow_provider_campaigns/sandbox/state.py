"""Everything that the sandbox remembers, and its clock. No I/O.

Time passes by the clock alone: a campaign is done, a job has ended, because it is late enough. A test that
injects a clock therefore never sleeps. The server changes the state on one thread; a test may read and
change it from another, since every step is a single operation on a built-in container.
"""

from __future__ import annotations

import re
import secrets
import uuid
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta, timezone
from fnmatch import fnmatchcase
from typing import Any, TypeVar

from airflow_provider_campaigns.api.campaign_cleaner import CampaignState
from airflow_provider_campaigns.api.instantly import JobStatus
from airflow_provider_campaigns.sandbox import seed

Clock = Callable[[], datetime]
Scripted = str | None | dict[str, Any]
_T = TypeVar("_T")

_REQUESTS_KEPT = 10_000
JOB_TIME = timedelta(seconds=4)
_PENDING_SHARE = 1 / 3
_NO_QUERY = re.compile("key|token|secret|auth|password", re.IGNORECASE)


def utc_now() -> datetime:
    """Return the time now; the clock of a sandbox that nobody tampers with."""
    return datetime.now(timezone.utc)


@dataclass(frozen=True)
class Options:
    """How a sandbox behaves.

    :param processing_seconds: how long Campaign Cleaner works on a campaign.
    :param credits: how many campaigns can be submitted.
    :param campaign_cleaner_key: the only key that is accepted; None accepts every one that is not empty.
    :param campaign_cleaner_key_status: HTTP status of the answer to a bad key. The vendor does not say which.
    :param instantly_key: as for Campaign Cleaner.
    :param instantly_scopes: what a key of Instantly may do.
    """

    processing_seconds: float = 3.0
    credits: int = 100
    campaign_cleaner_key: str | None = field(default=None, repr=False)
    campaign_cleaner_key_status: int = 401
    instantly_key: str | None = field(default=None, repr=False)
    instantly_scopes: tuple[str, ...] = ("all:all",)


@dataclass
class SubmittedCampaign:
    """A campaign that Campaign Cleaner was given."""

    id: str
    name: str
    html: str = field(repr=False)
    settings: Mapping[str, Any]
    custom_info: str
    added: datetime
    ready_at: datetime
    fixed_status: str | None = None

    def status(self, now: datetime) -> str:
        """Return the state it is in: the one it was put into by hand, else what the time makes of it."""
        if self.fixed_status is not None:
            return self.fixed_status
        state = CampaignState.PROCESSING if now < self.ready_at else CampaignState.COMPLETED
        return state.value


@dataclass(frozen=True)
class InboxTest:
    """An inbox placement test, whose mails arrive evenly over ``seconds``."""

    id: str
    name: str
    submitted: datetime
    seconds: float

    def progress(self, now: datetime) -> float:
        """Return the share of the time that is over, 0 to 1."""
        return _share(self.submitted, now, self.seconds)


@dataclass(frozen=True)
class Job:
    """A background job of Instantly: a third of its time pending, then in progress, then what comes of it.

    :param outcome: the status that it comes to by itself.
    :param fixed_status: the status that it was put into by hand.
    """

    id: str
    type: str
    entity_id: str | None
    data: Mapping[str, Any]
    created: datetime
    outcome: str = JobStatus.SUCCESS.value
    fixed_status: str | None = None

    def progress(self, now: datetime) -> float:
        """Return the share of the time that is over, 0 to 1."""
        return _share(self.created, now, JOB_TIME.total_seconds())

    def status(self, now: datetime) -> str:
        """Return the status it has: the one it was put into by hand, else what the time makes of it."""
        if self.fixed_status is not None:
            return self.fixed_status
        share = self.progress(now)
        if share >= 1:
            return self.outcome
        status = JobStatus.IN_PROGRESS if share >= _PENDING_SHARE else JobStatus.PENDING
        return status.value

    @property
    def goes_well(self) -> bool:
        """Whether it comes to a good end, if it has not come to it yet."""
        return (self.fixed_status or self.outcome) == JobStatus.SUCCESS.value


@dataclass
class Fault:
    """A way to misbehave, and how often.

    :param path: a prefix of the path, or a pattern where it holds ``*``, ``?`` or ``[``.
    :param times: how many requests it still meets; None is for ever.
    :param drop: when the connection breaks: ``before`` the request is carried out, or after it was, within
        the ``headers`` or the ``body`` of the answer.
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
    def replaces_answer(self) -> bool:
        """Whether it brings an answer of its own."""
        return self.status is not None or self.body is not None

    def meets(self, method: str, path: str) -> bool:
        """Say whether this fault is for such a request."""
        if self.method not in (None, method):
            return False
        if any(mark in self.path for mark in "*?["):
            return fnmatchcase(path, self.path)
        return path.startswith(self.path)


@dataclass
class LoggedRequest:
    """What the log keeps of a request; never a header, since a key is one."""

    time: str
    service: str
    method: str
    path: str
    query: Mapping[str, str]
    body_size: int
    status: int | None = None
    fault: str | None = None
    noted: dict[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Return it as a flat object."""
        told = asdict(self)
        del told["noted"]
        return {**told, **self.noted}


class SandboxState:
    """Both services' data, the faults to come and the requests that came."""

    def __init__(self, options: Options | None = None, clock: Clock = utc_now) -> None:
        self.options = options or Options()
        self.clock = clock
        self.reset()

    def reset(self) -> None:
        """Start anew, as if just started."""
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
        self.scripts: dict[str, list[Scripted]] = {}
        self.faults: list[Fault] = []
        self.requests: deque[LoggedRequest] = deque(maxlen=_REQUESTS_KEPT)

    def submit(
        self, name: str, html: str, settings: Mapping[str, Any], custom_info: str = ""
    ) -> SubmittedCampaign:
        """Take a campaign in and spend a credit on it."""
        now = self.clock()
        self.credits -= 1
        ready_at = now + timedelta(seconds=self.options.processing_seconds)
        campaign = SubmittedCampaign(new_id(), name, html, settings, custom_info, now, ready_at)
        self.submitted[campaign.id] = campaign
        return campaign

    def set_processing_seconds(self, campaign_id: str, seconds: float) -> None:
        """Let a campaign take so long from now on."""
        campaign = self.submitted[campaign_id]
        campaign.ready_at = self.clock() + timedelta(seconds=seconds)
        campaign.fixed_status = None

    def start_inbox_test(self, name: str) -> InboxTest:
        """Begin an inbox placement test, which lasts as long as a campaign."""
        test = InboxTest(new_id(), name, self.clock(), self.options.processing_seconds)
        self.inbox_tests[test.id] = test
        return test

    def start_job(self, kind: str, entity_id: str | None, **data: Any) -> Job:
        """Begin a background job on a campaign or list."""
        outcome = _next_of(self.job_outcomes, JobStatus.SUCCESS.value)
        job = Job(secrets.token_hex(12), kind, entity_id, data, self.clock(), outcome)
        self.jobs[job.id] = job
        return job

    def play_job_outcomes(self, sequence: Iterable[str]) -> None:
        """Script what comes of the jobs to come; an empty sequence ends the script.

        Each new job takes the next entry, and the last one stays.
        """
        self.job_outcomes = list(sequence)

    def set_job_status(self, job_id: str, status: str) -> Job:
        """Put a job into a status, which then stays."""
        job = self.jobs[job_id] = replace(self.jobs[job_id], fixed_status=status)
        return job

    def leads_in(self, target_id: str) -> list[dict[str, Any]]:
        """Return the leads of a campaign or list."""
        return [
            lead for lead in list(self.leads.values()) if target_id in (lead["campaign"], lead["list_id"])
        ]

    def play_sending_status(self, target_id: str, sequence: Iterable[Scripted]) -> None:
        """Script the answers about a campaign or subsequence; an empty sequence ends the script.

        Each request takes the next entry, and the last one stays.

        :param sequence: entries as the control API takes them.
        """
        self.scripts[target_id] = list(sequence)

    def next_scripted(self, target_id: str, otherwise: Scripted) -> Scripted:
        """Take the next entry of a script, or what is given where nothing is scripted."""
        return _next_of(self.scripts.get(target_id, []), otherwise)

    def next_fault(self, method: str, path: str) -> Fault | None:
        """Take the first fault that is meant for a request."""
        fault = next((each for each in list(self.faults) if each.meets(method, path)), None)
        if fault is not None and fault.times is not None:
            fault.times -= 1
            if fault.times < 1:
                self.faults.remove(fault)
        return fault

    def record(
        self, service: str, method: str, path: str, query: Mapping[str, str], body_size: int
    ) -> LoggedRequest:
        """Put a request into the log; what is answered is filled in later."""
        shown = {name: value for name, value in query.items() if not _NO_QUERY.search(name)}
        entry = LoggedRequest(seed.timestamp(self.clock()), service, method, path, shown, body_size)
        self.requests.append(entry)
        return entry


def new_id() -> str:
    """Return a fresh id."""
    return str(uuid.uuid4())


def _next_of(script: list[_T], otherwise: _T) -> _T:
    """Take the next entry of a script, whose last one stays, or what is given where it is empty."""
    return (script.pop(0) if len(script) > 1 else script[0]) if script else otherwise


def _share(start: datetime, now: datetime, seconds: float) -> float:
    if seconds <= 0:
        return 1.0
    return min(max((now - start).total_seconds() / seconds, 0.0), 1.0)

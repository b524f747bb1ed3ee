"""Triggers that wait for Campaign Cleaner."""

from __future__ import annotations

from collections.abc import Coroutine, Iterator, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from airflow_provider_campaigns import hooks
from airflow_provider_campaigns.api import campaign_cleaner as api
from airflow_provider_campaigns.api.campaign_cleaner import CampaignStatus, InboxTestResults
from airflow_provider_campaigns.api.values import check_opaque_id
from airflow_provider_campaigns.exceptions import ApiError
from airflow_provider_campaigns.rules.campaign_cleaner_statuses import CampaignRule, InboxTestRule
from airflow_provider_campaigns.rules.many_campaigns import (
    CampaignsRule,
    Progress,
    by_id,
    by_position,
    ended_by,
    one_or_many,
    refuse_collecting_one,
)
from airflow_provider_campaigns.rules.polling import MAX_FAILURES
from airflow_provider_campaigns.triggers.base import WaitTrigger, log
from airflow_provider_campaigns.waits.events import PollResult, WaitOutcome
from airflow_provider_campaigns.waits.subscription import StatusQuery, Subscription

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_campaigns.transport.account import Account
    from airflow_provider_campaigns.waits.shared_poller import SharedPoller

    _Waits = Sequence[Subscription[CampaignStatus]]

CAMPAIGN_STATUS = StatusQuery(
    "campaigns",
    fetch_one=api.get_campaign_status,
    fetch_all=api.get_campaign_states,
    fetch_details=partial(api.get_campaign_states, details=True),
)
INBOX_TEST = StatusQuery("inbox tests", fetch_one=api.get_inbox_test_results)


class CampaignCleanerCampaignTrigger(WaitTrigger[CampaignStatus]):
    """Waits until a campaign is no longer in process, or for many campaigns.

    The event's ``status`` is the last status of the campaign, or the :class:`.Progress` of many.

    https://docs.campaigncleaner.com/api-reference/endpoint/get-campaign-status

    :param campaign_id: the campaign, or a list of campaigns.
    :param campaign_cleaner_conn_id: connection of type ``campaign_cleaner``.
    :param paused: what a paused campaign does to the wait: ``"fail"`` ends it, ``"wait"`` goes on.
    :param on_failure: what a failed one of many campaigns does to the wait: ``"fail"`` ends it, ``"collect"``
        goes on.
    :param ended: which of many campaigns had ended before, as :func:`.by_position` stores it. What ends in
        the triggerer is lost when that restarts: Airflow stores the arguments of a trigger once, when the
        task defers, and its task state store is for workers.
    :param poke_interval: seconds between two polls.
    :param deadline: when the wait ends, in seconds since the epoch; None where Airflow keeps the deadline.
    :param max_failures: how many failed polls in a row end the wait.
    :param first_poll_at: when to poll first, in seconds since the epoch; None for as soon as possible.
    :param failures: how many polls in a row failed on a worker before.
    :param ending: what ``WaitSensor.ending`` returned; None where a worker ends the task.
    """

    class_path = "airflow_provider_campaigns.triggers.campaign_cleaner.CampaignCleanerCampaignTrigger"

    def __init__(
        self,
        *,
        campaign_id: str | list[str],
        campaign_cleaner_conn_id: str,
        paused: str,
        on_failure: str = "fail",
        ended: Mapping[str, str] | None = None,
        poke_interval: float,
        deadline: float | None,
        max_failures: int = MAX_FAILURES,
        first_poll_at: float | None = None,
        failures: int = 0,
        ending: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(
            poke_interval=poke_interval,
            deadline=deadline,
            max_failures=max_failures,
            first_poll_at=first_poll_at,
            failures=failures,
            ending=ending,
        )
        self.campaign_id = campaign_id
        self.campaign_cleaner_conn_id = campaign_cleaner_conn_id
        self.paused = paused
        self.on_failure = on_failure
        self.ended = ended

    def render_template_fields(self, context: Context, jinja_env: Any = None) -> None:
        """Render the arguments, but no list of ids: Airflow would compile a template for each."""
        if not isinstance(self.campaign_id, str):
            self.template_fields = tuple(each for each in self.template_fields if each != "campaign_id")
        super().render_template_fields(context, jinja_env)

    def target(self) -> dict[str, Any]:
        """Return the campaigns and the connection."""
        return {
            "campaign_id": self.campaign_id,
            "campaign_cleaner_conn_id": self.campaign_cleaner_conn_id,
        }

    def settings(self) -> dict[str, Any]:
        """Return what a campaign that is not completed does to the wait, and which have ended."""
        many: dict[str, Any] = {} if self.on_failure == "fail" else {"on_failure": self.on_failure}
        return {"paused": self.paused, **many, **({"ended": self.ended} if self.ended else {})}

    def hook(self) -> hooks.campaign_cleaner.CampaignCleanerHook:
        """Return a hook of the connection."""
        return hooks.campaign_cleaner.CampaignCleanerHook(self.campaign_cleaner_conn_id)

    def query(self) -> tuple[StatusQuery[CampaignStatus], str]:
        """Return the query for the campaign's status."""
        return CAMPAIGN_STATUS, str(self.campaign_id)

    def judge(self, response: CampaignStatus | ApiError) -> PollResult:
        """End the wait with every status that the rule does not wait for."""
        status = cast("CampaignStatus", response).status
        rule = CampaignRule("", self.paused)  # the id is for errors only, and may be a list of thousands
        return PollResult(status, is_final=not rule.keeps_waiting(status))

    def result(self, last: CampaignStatus | Progress) -> Any:
        """Return the campaign's id, or the result of many campaigns."""
        if isinstance(last, Progress):
            rule = CampaignsRule(self.on_failure)
            rule.check(last)
            return rule.result(self.campaign_id, last)
        CampaignRule(str(self.campaign_id), self.paused).check(last.status)
        return self.campaign_id

    # Not async: thousands of waits have one coroutine less each.
    def _wait_on(self, account: Account) -> Coroutine[Any, Any, dict[str, Any]]:
        # Ids that the triggerer rendered are checked here first.
        self.campaign_id = one_or_many(self.campaign_id, "campaign_id", check_opaque_id, log.warning)
        if isinstance(self.campaign_id, str):
            refuse_collecting_one(self.on_failure)
            return super()._wait_on(account)
        return self._wait_on_many(account, self.campaign_id)

    async def _wait_on_many(self, account: Account, ids: list[str]) -> dict[str, Any]:
        from airflow_provider_campaigns.waits.shared_poller import shared_poller

        ended = by_id(ids, self.ended)
        waits = [self.subscription(each) for each in ids if each not in ended]
        log.info("Waiting for %d campaigns, polling every %g s.", len(waits), self.poke_interval)
        async with shared_poller(account, CAMPAIGN_STATUS) as poller:
            rule = CampaignsRule(self.on_failure)
            outcome, progress, error = await _wait_for_campaigns(poller, waits, rule, ids, ended)
        self.ended = by_position(ids, ended)  # for a wait that goes on with another key
        self._last = progress
        return self._event(outcome, status=asdict(progress), error=error)


class CampaignCleanerInboxTestTrigger(WaitTrigger[InboxTestResults]):
    """Waits until an inbox test is no longer in process; the event's ``status`` is the last status.

    https://docs.campaigncleaner.com/api-reference/endpoint/get-inbox-test-results

    :param job_id: the test.
    :param campaign_cleaner_conn_id: connection of type ``campaign_cleaner``.
    :param poke_interval: seconds between two polls.
    :param deadline: when the wait ends, in seconds since the epoch.
    :param max_failures: how many failed polls in a row end the wait.
    :param first_poll_at: when to poll first, in seconds since the epoch; None for as soon as possible.
    :param failures: how many polls in a row failed on a worker before.
    :param ending: what ``WaitSensor.ending`` returned; None where a worker ends the task.
    """

    class_path = "airflow_provider_campaigns.triggers.campaign_cleaner.CampaignCleanerInboxTestTrigger"

    def __init__(
        self,
        *,
        job_id: str,
        campaign_cleaner_conn_id: str,
        poke_interval: float,
        deadline: float,
        max_failures: int = MAX_FAILURES,
        first_poll_at: float | None = None,
        failures: int = 0,
        ending: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(
            poke_interval=poke_interval,
            deadline=deadline,
            max_failures=max_failures,
            first_poll_at=first_poll_at,
            failures=failures,
            ending=ending,
        )
        self.job_id = job_id
        self.campaign_cleaner_conn_id = campaign_cleaner_conn_id

    def target(self) -> dict[str, Any]:
        """Return the test and the connection."""
        return {"job_id": self.job_id, "campaign_cleaner_conn_id": self.campaign_cleaner_conn_id}

    def hook(self) -> hooks.campaign_cleaner.CampaignCleanerHook:
        """Return a hook of the connection."""
        return hooks.campaign_cleaner.CampaignCleanerHook(self.campaign_cleaner_conn_id)

    def query(self) -> tuple[StatusQuery[InboxTestResults], str]:
        """Return the query for the test's results."""
        return INBOX_TEST, self.job_id

    def judge(self, response: InboxTestResults | ApiError) -> PollResult:
        """End the wait with every status that the rule does not wait for."""
        status = cast("InboxTestResults", response).status
        return PollResult(status, is_final=not InboxTestRule(self.job_id).keeps_waiting(status))

    def result(self, last: InboxTestResults) -> dict[str, Any]:
        """Return the summary of the test."""
        InboxTestRule(self.job_id).check(last.status)
        return last.summary


async def _wait_for_campaigns(
    poller: SharedPoller[CampaignStatus],
    waits: _Waits,
    rule: CampaignsRule,
    ids: Sequence[str],
    ended: dict[str, str],
) -> tuple[WaitOutcome, Progress, ApiError | None]:
    """Wait for all campaigns, and log how far they are whenever that changes.

    :param waits: the waits for the campaigns that have not ended.
    :param ids: all campaigns.
    :param ended: the status of each campaign that has ended, by id; grows meanwhile.
    :returns: how the wait ended, how far the campaigns are, and the error that ended the wait or came last.
    """
    from airflow_provider_campaigns.waits.group import wait_for_group

    progress = Progress.of(ids, ended)

    def is_over() -> bool:
        nonlocal progress
        ended.update(_ended(waits))
        not_polled = sum(each.status is None and each.error is None for each in waits)
        before, progress = progress, Progress.of(ids, ended, not_polled)
        if progress.headline != before.headline:
            log.info("%s", progress.headline)
        return not rule.keeps_waiting(progress) or _service_error(waits) is not None

    if waits:
        await wait_for_group(poller, waits, is_over)
    if not rule.keeps_waiting(progress):
        return WaitOutcome.DONE, progress, None
    if error := _service_error(waits):
        return WaitOutcome.FAILED, progress, error
    return WaitOutcome.TIMED_OUT, progress, next((each.error for each in waits if each.error), None)


def _ended(waits: _Waits) -> Iterator[tuple[str, str]]:
    """Yield each campaign that has ended, and its status."""
    for each in waits:
        if each.outcome is WaitOutcome.DONE:
            yield each.key, each.status
        elif each.outcome is WaitOutcome.FAILED and (status := ended_by(each.error)):
            yield each.key, status


def _service_error(waits: _Waits) -> ApiError | None:
    """Return an error that ended the wait for a campaign and is about more than that campaign."""
    failed = (each.error for each in waits if each.outcome is WaitOutcome.FAILED)
    return next((error for error in failed if ended_by(error) is None), None)

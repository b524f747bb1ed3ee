"""Hook for Instantly, which sends cold e-mail campaigns."""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from itertools import islice
from typing import Any

from airflow_provider_campaigns.api import instantly as api
from airflow_provider_campaigns.api.call import Call
from airflow_provider_campaigns.api.instantly import (
    AccountVitals,
    AddedLeads,
    BackgroundJob,
    Page,
    SendingStatus,
)
from airflow_provider_campaigns.api.values import check_uuid
from airflow_provider_campaigns.exceptions import ApiError
from airflow_provider_campaigns.hooks._many_verdicts import LONG_RETRY_AFTER, verdicts_on
from airflow_provider_campaigns.hooks._verdicts import verdict_on
from airflow_provider_campaigns.hooks.base import ServiceHook, form_behaviour, form_widgets
from airflow_provider_campaigns.rules.send_gate import Intent, Policy, Verdict
from airflow_provider_campaigns.transport.retry import Retry


class InstantlyHook(ServiceHook):
    """Calls Instantly, API v2.

    By default, a read is sent up to five times after a 429, a 5xx or a broken connection. A call that changes
    something is sent once, and again only if no connection was made. ``retry`` changes how often. Every
    method raises an :class:`~airflow_provider_campaigns.exceptions.ApiError` that says what to do.

    https://developer.instantly.ai/api-reference

    :param instantly_conn_id: connection of type ``instantly``; its password is the API key.
    """

    service = api.SERVICE
    conn_name_attr = "instantly_conn_id"
    default_conn_name = "instantly_default"
    conn_type = "instantly"
    hook_name = "Instantly"

    def __init__(self, instantly_conn_id: str = default_conn_name) -> None:
        super().__init__(instantly_conn_id)
        self.instantly_conn_id = instantly_conn_id

    def get_sending_status(
        self, campaign_id: str, *, with_ai_summary: bool = False, retry: Retry | None = None
    ) -> SendingStatus:
        """Fetch the sending status of a campaign. Scope: ``campaigns:read``.

        :param with_ai_summary: also fetch a summary as prose; its price is not documented.
        """
        return self.send(api.get_sending_status(campaign_id, with_ai_summary=with_ai_summary), retry)

    async def aget_sending_status(
        self, campaign_id: str, *, with_ai_summary: bool = False, retry: Retry | None = None
    ) -> SendingStatus:
        """Fetch the sending status of a campaign, from an event loop."""
        return await self.asend(api.get_sending_status(campaign_id, with_ai_summary=with_ai_summary), retry)

    def get_subsequence_sending_status(
        self, subsequence_id: str, *, with_ai_summary: bool = False, retry: Retry | None = None
    ) -> SendingStatus:
        """Fetch the sending status of a subsequence. Scope: ``subsequences:read``."""
        return self.send(
            api.get_subsequence_sending_status(subsequence_id, with_ai_summary=with_ai_summary), retry
        )

    async def aget_subsequence_sending_status(
        self, subsequence_id: str, *, with_ai_summary: bool = False, retry: Retry | None = None
    ) -> SendingStatus:
        """Fetch the sending status of a subsequence, from an event loop."""
        return await self.asend(
            api.get_subsequence_sending_status(subsequence_id, with_ai_summary=with_ai_summary), retry
        )

    def get_verdict(
        self,
        campaign_id: str | None = None,
        *,
        subsequence_id: str | None = None,
        intent: str = Intent.SEND,
        policy: Mapping[str, str] | Policy | None = None,
        max_status_age: timedelta | None = None,
        check_senders: bool = False,
        retry: Retry | None = None,
    ) -> Verdict:
        """Fetch a sending status, and return a send gate's verdict on it: ``verdict.open``.

        :param campaign_id: the campaign; either this or ``subsequence_id``.
        :param intent: what happens if the gate opens: ``send``, ``add_leads``, ``activate`` or ``edit``.
        :param policy: dispositions that differ from the intent's, by code:
            ``{"campaign_running_subsequences": "open"}``; or a whole :class:`Policy`.
        :param max_status_age: how old the data of an opening response may be; None for the intent's own.
        :param check_senders: also check the senders of a campaign; needs the scope ``accounts:read``.
        :raises ValueError: an argument is not valid.
        :raises ApiError: the service did not respond. A malformed response is a verdict: not open.
        """
        if (campaign_id is None) == (subsequence_id is None):
            raise ValueError("Set either campaign_id or subsequence_id.")
        if check_senders and campaign_id is None:
            raise ValueError("check_senders is for campaign_id: a subsequence has no senders of its own.")
        verdict = verdict_on(
            self,
            campaign_id,
            subsequence_id,
            _policy(intent, policy, max_status_age),
            check_senders=check_senders,
            retry=retry,
        )
        self.metrics.verdict(verdict)
        return verdict

    def get_verdicts(
        self,
        campaign_ids: Iterable[str],
        *,
        intent: str = Intent.SEND,
        policy: Mapping[str, str] | Policy | None = None,
        max_status_age: timedelta | None = None,
        retry: Retry | None = None,
    ) -> Generator[tuple[str, Verdict | ApiError], None, None]:
        """Fetch the verdicts on many campaigns at the same time, over at most 20 connections.

        The other arguments are those of :meth:`get_verdict`. A bad key, a rate limit of more than five
        minutes, and 20 campaigns in a row without a response end the iterator; other errors concern one
        campaign.

        :param retry: how often each request is sent; by default up to five times, also after five minutes.
        :returns: an iterator over each id and its verdict, or the error of a campaign that could not be
            checked, as they arrive.
        :raises ValueError: an argument is not valid; nothing was sent.
        :raises ApiError: an error that concerns all campaigns.
        """
        ids = [check_uuid(each, f"campaign_ids[{at}]") for at, each in enumerate(campaign_ids)]
        return verdicts_on(self, ids, _policy(intent, policy, max_status_age), retry or LONG_RETRY_AFTER)

    def get_campaign(self, campaign_id: str, *, retry: Retry | None = None) -> Mapping[str, Any]:
        """Fetch a campaign. Scope: ``campaigns:read``."""
        return self.send(api.get_campaign(campaign_id), retry)

    def list_campaigns(self, *, retry: Retry | None = None, **filters: Any) -> Iterator[Mapping[str, Any]]:
        """List the campaigns, one page at a time as they are consumed. Scope: ``campaigns:read``.

        :param filters: ``search`` (part of the name), ``status`` and ``exclude_status`` (numbers, see
            :class:`~airflow_provider_campaigns.api.instantly.LifecycleStatus`), ``tag_ids`` (separated by
            commas), ``ai_sales_agent_id``.
        """
        return self._pages(api.list_campaigns, filters, retry)

    def create_campaign(
        self, name: str, campaign_schedule: Mapping[str, Any], *, retry: Retry | None = None, **fields: Any
    ) -> Mapping[str, Any]:
        """Create a campaign, which is a draft and sends nothing. Scope: ``campaigns:create``.

        :param campaign_schedule: ``schedules`` as the vendor describes them; time zones are a closed list.
        :param fields: other fields of a campaign, such as ``sequences`` or ``email_list``.
        :returns: the campaign.
        """
        return self.send(api.create_campaign(name, campaign_schedule, **fields), retry)

    def update_campaign(
        self, campaign_id: str, *, retry: Retry | None = None, **fields: Any
    ) -> Mapping[str, Any]:
        """Change fields of a campaign, each as a whole. Scope: ``campaigns:update``.

        :returns: the campaign.
        """
        return self.send(api.update_campaign(campaign_id, **fields), retry)

    def delete_campaign(self, campaign_id: str, *, retry: Retry | None = None) -> Mapping[str, Any]:
        """Delete a campaign. Scope: ``campaigns:delete``.

        :returns: the deleted campaign.
        """
        return self.send(api.delete_campaign(campaign_id), retry)

    def duplicate_campaign(
        self, campaign_id: str, *, name: str | None = None, retry: Retry | None = None
    ) -> Mapping[str, Any]:
        """Copy a campaign. Scope: ``campaigns:create``.

        :param name: the name of the copy; by default Instantly chooses one.
        :returns: the copy, a draft.
        """
        return self.send(api.duplicate_campaign(campaign_id, name=name), retry)

    def activate_campaign(self, campaign_id: str, *, retry: Retry | None = None) -> Mapping[str, Any]:
        """Start or resume a campaign. Scope: ``campaigns:update``.

        :returns: the campaign; its ``status`` says whether it is active.
        """
        return self.send(api.activate_campaign(campaign_id), retry)

    def pause_campaign(self, campaign_id: str, *, retry: Retry | None = None) -> Mapping[str, Any]:
        """Pause a campaign. Scope: ``campaigns:update``.

        :returns: the campaign.
        """
        return self.send(api.pause_campaign(campaign_id), retry)

    def get_campaign_analytics(
        self, *, retry: Retry | None = None, **filters: Any
    ) -> Sequence[Mapping[str, Any]]:
        """Fetch the analytics of one campaign, some or all; a campaign that has not sent yet is missing.

        :param filters: ``id``, ``ids``, ``start_date``, ``end_date``, ``exclude_total_leads_count``.
        """
        return self.send(api.get_campaign_analytics(**filters), retry)

    def get_campaign_analytics_overview(
        self, *, retry: Retry | None = None, **filters: Any
    ) -> Mapping[str, Any]:
        """Fetch the summed analytics of one campaign, some or all.

        :param filters: ``id``, ``ids``, ``start_date``, ``end_date``, ``campaign_status``,
            ``expand_crm_events``.
        """
        return self.send(api.get_campaign_analytics_overview(**filters), retry)

    def get_daily_campaign_analytics(
        self, *, retry: Retry | None = None, **filters: Any
    ) -> Sequence[Mapping[str, Any]]:
        """Fetch analytics per day.

        :param filters: ``campaign_id``, ``start_date``, ``end_date``, ``campaign_status``.
        """
        return self.send(api.get_daily_campaign_analytics(**filters), retry)

    def get_campaign_steps_analytics(
        self, *, retry: Retry | None = None, **filters: Any
    ) -> Sequence[Mapping[str, Any]]:
        """Fetch analytics per step and variant.

        :param filters: ``campaign_id``, ``start_date``, ``end_date``, ``include_opportunities_count``.
        """
        return self.send(api.get_campaign_steps_analytics(**filters), retry)

    def list_subsequences(self, *, retry: Retry | None = None, **filters: Any) -> Iterator[Mapping[str, Any]]:
        """List the subsequences, one page at a time as they are consumed. Scope: ``subsequences:read``.

        :param filters: ``parent_campaign``, ``parent_campaign_not``, ``search``.
        """
        return self._pages(api.list_subsequences, filters, retry)

    def get_subsequence(self, subsequence_id: str, *, retry: Retry | None = None) -> Mapping[str, Any]:
        """Fetch a subsequence. Scope: ``subsequences:read``."""
        return self.send(api.get_subsequence(subsequence_id), retry)

    def pause_subsequence(self, subsequence_id: str, *, retry: Retry | None = None) -> Mapping[str, Any]:
        """Pause a subsequence. Scope: ``subsequences:update``.

        :returns: the subsequence.
        """
        return self.send(api.pause_subsequence(subsequence_id), retry)

    def resume_subsequence(self, subsequence_id: str, *, retry: Retry | None = None) -> Mapping[str, Any]:
        """Resume a subsequence. Scope: ``subsequences:update``.

        :returns: the subsequence.
        """
        return self.send(api.resume_subsequence(subsequence_id), retry)

    def list_leads(self, *, retry: Retry | None = None, **filters: Any) -> Iterator[Mapping[str, Any]]:
        """List leads, one page at a time as they are consumed. Scope: ``leads:read``.

        :param filters: ``campaign`` (one id), ``list_id``, ``ids``, ``contacts``, ``excluded_ids``,
            ``search``, ``filter``, ``in_campaign``, ``in_list``, ``distinct_contacts``.
        """
        return self._pages(api.list_leads, filters, retry)

    def move_leads(self, *, retry: Retry | None = None, **options: Any) -> BackgroundJob:
        """Move or copy leads to another campaign or list, in a background job. Scope: ``leads:update``.

        :param options: ``to_campaign_id`` or ``to_list_id``; then ``ids`` with ``campaign`` or ``list_id``,
            or the filters of :meth:`list_leads`; ``copy_leads`` and the vendor's other options.
        """
        return self.send(api.move_leads(**options), retry)

    def get_background_job(
        self, job_id: str, *, data_fields: Iterable[str] = (), retry: Retry | None = None
    ) -> BackgroundJob:
        """Fetch a background job. Scope: ``background-jobs:read``.

        :param data_fields: fields of the job's data to fetch; all by default.
        """
        return self.send(api.get_background_job(job_id, data_fields=data_fields), retry)

    def list_accounts(self, *, retry: Retry | None = None, **filters: Any) -> Iterator[Mapping[str, Any]]:
        """List the sending accounts, one page at a time as they are consumed. Scope: ``accounts:read``.

        :param filters: ``status``, ``provider_code``, ``search``, ``tag_ids``, ``include_tags``.
        """
        return self._pages(api.list_accounts, filters, retry)

    def get_account(self, email: str, *, retry: Retry | None = None) -> Mapping[str, Any]:
        """Fetch a sending account. Scope: ``accounts:read``."""
        return self.send(api.get_account(email), retry)

    def check_account_vitals(self, emails: Iterable[str], *, retry: Retry | None = None) -> AccountVitals:
        """Check the DNS records of the senders' domains. Scope: ``accounts:read``."""
        return self.send(api.check_account_vitals(emails), retry)

    def _pages(
        self, list_call: Callable[..., Call[Page]], filters: Mapping[str, Any], retry: Retry | None
    ) -> Iterator[Mapping[str, Any]]:
        """Return an iterator over the items of a list; invalid filters raise at once."""
        first = list_call(**filters)
        return self._items(first, list_call, filters, retry)

    def _items(
        self,
        call: Call[Page],
        list_call: Callable[..., Call[Page]],
        filters: Mapping[str, Any],
        retry: Retry | None,
    ) -> Iterator[Mapping[str, Any]]:
        seen = set()
        while True:
            page = self.send(call, retry)
            yield from page.items
            cursor = page.next_starting_after
            # The last page may also have a cursor; a repeated cursor would never end.
            if not page.items or cursor is None or cursor in seen:
                return
            seen.add(cursor)
            call = list_call(**{**filters, "starting_after": cursor})

    def add_leads(
        self,
        campaign_id: str,
        leads: Iterable[Mapping[str, Any]],
        *,
        retry: Retry | None = None,
        **options: Any,
    ) -> AddedLeads:
        """Add up to 1,000 leads to a campaign. Scope: ``leads:create``.

        :param leads: each with an ``email``.
        :param options: ``skip_if_in_workspace``, ``skip_if_in_campaign``, ``skip_if_in_list``,
            ``verify_leads_on_import``, ``blocklist_id``, ``assigned_to``; and ``more``, a mapping of
            undocumented ones.
        :raises ValueError: a lead or an option is not valid; nothing was sent.
        """
        return self.send(api.add_leads(campaign_id, leads, **options), retry)

    def add_leads_in_batches(
        self,
        campaign_id: str,
        leads: Iterable[Mapping[str, Any]],
        *,
        retry: Retry | None = None,
        **options: Any,
    ) -> Iterator[AddedLeads]:
        """Add any number of leads, 1,000 a call, and yield the result of each batch.

        The leads are consumed one batch at a time, so that they may come from a generator. Batches that were
        sent are kept if a later one fails.

        :param leads: each with an ``email``.
        :param options: as for :meth:`add_leads`.
        """
        remaining = iter(leads)
        while batch := list(islice(remaining, api.MAX_LEADS_PER_CALL)):
            yield self.add_leads(campaign_id, batch, retry=retry, **options)

    def request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        json: Any = None,
        retry: Retry | None = None,
    ) -> Any:
        """Call any other endpoint, with the same key, limits, retries and errors.

        :param method: HTTP method; only GET counts as safe to repeat.
        :param path: path below ``/api/v2``, percent-encoded.
        :returns: the decoded JSON body; None where the response has none.
        """
        return self.send(api.request(method, path, params=params, json_body=json), retry)

    # Before 3.2, Airflow reads the form from the hook class, which has to define these two methods itself.
    @classmethod
    def get_ui_field_behaviour(cls) -> dict[str, Any]:
        """Return the standard fields of the connection form."""
        return form_behaviour(cls.conn_type)

    @classmethod
    def get_connection_form_widgets(cls) -> dict[str, Any]:
        """Return the further fields of the connection form."""
        return form_widgets(cls.conn_type)

    def test_connection(self) -> tuple[bool, str]:
        """List one campaign, and return whether that succeeded and a message."""
        return self._probe(
            api.list_campaigns(limit=1),
            lambda _: "The API key is valid and has permission to read campaigns.",
        )

    def _extra_headers(self, extra: Mapping[str, Any]) -> dict[str, str]:
        workspace_id = extra.get("workspace_id")
        if workspace_id in (None, ""):
            return {}
        if not isinstance(workspace_id, str) or not re.fullmatch(r"[\x21-\x7e]{1,200}", workspace_id):
            raise ValueError(
                f"Connection {self.conn_id!r}: the extra 'workspace_id' must be the id of a workspace."
            )
        return {api.WORKSPACE_HEADER: workspace_id}


def _policy(
    intent: str, policy: Mapping[str, str] | Policy | None, max_status_age: timedelta | None
) -> Policy:
    if max_status_age is not None and not isinstance(max_status_age, timedelta):
        raise ValueError(f"max_status_age must be a timedelta, got {max_status_age!r}.")
    if not isinstance(policy, Policy):
        return Policy.of(policy, max_status_age, intent)
    if max_status_age is not None or intent not in (Intent.SEND, policy.intent):
        raise ValueError("Set intent and max_status_age in the Policy, or pass the policy as a mapping.")
    return policy

"""Hook for Instantly, which sends cold e-mail campaigns."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from airflow_provider_campaigns.api import instantly as api
from airflow_provider_campaigns.api.instantly import AddedLeads, SendingStatus
from airflow_provider_campaigns.hooks._service import ServiceHook, form_behaviour, form_widgets
from airflow_provider_campaigns.transport.retry import Retry


class InstantlyHook(ServiceHook):
    """Talks to Instantly, API v2.

    Reads are attempted up to five times after a 429, a 5xx or a broken connection; what changes anything is
    sent once, and attempted again only if no connection came about. Every method raises an
    :class:`~airflow_provider_campaigns.exceptions.ApiError` that says what to do.

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
        """Ask whether a campaign sends, and if not why. Scope: ``campaigns:read``.

        :param with_ai_summary: also ask for the summary in prose; what it costs is not documented.
        :param retry: how often to attempt the call.
        """
        return self.send(api.get_sending_status(campaign_id, with_ai_summary=with_ai_summary), retry)

    async def aget_sending_status(self, campaign_id: str, *, retry: Retry | None = None) -> SendingStatus:
        """Ask whether a campaign sends, from an event loop."""
        return await self.asend(api.get_sending_status(campaign_id), retry)

    def get_subsequence_sending_status(
        self, subsequence_id: str, *, with_ai_summary: bool = False, retry: Retry | None = None
    ) -> SendingStatus:
        """Ask whether a subsequence sends, and if not why. Scope: ``subsequences:read``."""
        return self.send(
            api.get_subsequence_sending_status(subsequence_id, with_ai_summary=with_ai_summary), retry
        )

    async def aget_subsequence_sending_status(
        self, subsequence_id: str, *, retry: Retry | None = None
    ) -> SendingStatus:
        """Ask whether a subsequence sends, from an event loop."""
        return await self.asend(api.get_subsequence_sending_status(subsequence_id), retry)

    def get_campaign(self, campaign_id: str) -> Mapping[str, Any]:
        """Fetch a campaign as the service describes it. Scope: ``campaigns:read``."""
        return self.send(api.get_campaign(campaign_id))

    def list_campaigns(self, **filters: Any) -> Iterator[Mapping[str, Any]]:
        """List the campaigns, page by page as they are asked for. Scope: ``campaigns:read``.

        :param filters: ``search`` (part of the name), ``status`` and ``exclude_status`` (numbers, see
            :class:`~airflow_provider_campaigns.api.instantly.LifecycleStatus`), ``tag_ids`` (separated by
            commas), ``ai_sales_agent_id``.
        """
        cursor = None
        seen = set()
        while True:
            page = self.send(api.list_campaigns(starting_after=cursor, **filters))
            yield from page.items
            cursor = page.next_starting_after
            # The last page may carry a cursor too, and a cursor that comes twice would never end.
            if not page.items or cursor is None or cursor in seen:
                return
            seen.add(cursor)

    def activate_campaign(self, campaign_id: str) -> Mapping[str, Any]:
        """Start or resume a campaign. Scope: ``campaigns:update``.

        :returns: the campaign; only its ``status`` tells whether it is active now.
        """
        return self.send(api.activate_campaign(campaign_id))

    def pause_campaign(self, campaign_id: str) -> Mapping[str, Any]:
        """Pause a campaign. Scope: ``campaigns:update``.

        :returns: the campaign.
        """
        return self.send(api.pause_campaign(campaign_id))

    def add_leads(self, campaign_id: str, leads: Iterable[Mapping[str, Any]], **options: Any) -> AddedLeads:
        """Add up to 1,000 leads to a campaign. Scope: ``leads:create``.

        :param leads: each with an ``email``.
        :param options: ``skip_if_in_workspace``, ``skip_if_in_campaign``, ``skip_if_in_list``,
            ``verify_leads_on_import``, ``blocklist_id``, ``assigned_to``.
        :raises ValueError: a lead cannot be sent as it is; nothing was sent.
        """
        return self.send(api.add_leads(campaign_id, leads, **options))

    def request(
        self, method: str, path: str, *, params: Mapping[str, Any] | None = None, json: Any = None
    ) -> Any:
        """Call any other endpoint, with the same key, limits, retries and errors.

        :param method: HTTP method; only GET is attempted more than once.
        :param path: path below ``/api/v2``; percent-encode what you put into it.
        :returns: the decoded JSON body; None where the answer has none.
        """
        return self.send(api.request(method, path, params=params, json_body=json))

    # Before 3.2, Airflow asks the hook for its form, and only one that defines these two itself.
    @classmethod
    def get_ui_field_behaviour(cls) -> dict[str, Any]:
        """Describe the standard fields of the connection form."""
        return form_behaviour(cls.conn_type)

    @classmethod
    def get_connection_form_widgets(cls) -> dict[str, Any]:
        """Describe the connection form's own fields."""
        return form_widgets(cls.conn_type)

    def test_connection(self) -> tuple[bool, str]:
        """Ask for one campaign, once and briefly, and say in plain words what came of it."""
        return self._probe(
            api.list_campaigns(limit=1), lambda _: "Instantly knows this key, and the key may read campaigns."
        )

    def _extra_headers(self, extra: Mapping[str, Any]) -> dict[str, str]:
        workspace_id = extra.get("workspace_id")
        if workspace_id in (None, ""):
            return {}
        if not isinstance(workspace_id, str) or not re.fullmatch(r"[\x21-\x7e]{1,200}", workspace_id):
            raise ValueError(
                f"Connection {self._conn_id!r}: the extra 'workspace_id' must be a workspace's id."
            )
        return {api.WORKSPACE_HEADER: workspace_id}

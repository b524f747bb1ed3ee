"""The sending status: whether a campaign or subsequence sends, and why not."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import Enum
from typing import Any

from airflow_provider_campaigns.api.call import Call
from airflow_provider_campaigns.api.instantly.base import (
    MAX_CODE_LENGTH,
    get_call,
    object_field,
    without_error,
)
from airflow_provider_campaigns.api.response import text_or_none
from airflow_provider_campaigns.api.values import can_be_a_status, check_uuid, parse_instant
from airflow_provider_campaigns.exceptions import MalformedResponseError

MAX_STATUS_BYTES = 1024 * 1024


class SendingCode(str, Enum):
    """The 18 codes of a sending status that the vendor documents."""

    CAMPAIGN_PAUSED = "campaign_paused"
    CAMPAIGN_DRAFT = "campaign_draft"
    CAMPAIGN_COMPLETED = "campaign_completed"
    CAMPAIGN_RUNNING_SUBSEQUENCES = "campaign_running_subsequences"
    CAMPAIGN_BOUNCE_PROTECT = "campaign_bounce_protect"
    CAMPAIGN_ACCOUNTS_UNHEALTHY = "campaign_accounts_unhealthy"
    CAMPAIGN_ACCOUNT_SUSPENDED = "campaign_account_suspended"
    OUT_OF_SCHEDULE = "out_of_schedule"
    WAITING_FOR_LEADS = "waiting_for_leads"
    DAILY_LIMIT_MET = "daily_limit_met"
    ACCOUNT_DAILY_LIMIT_MET = "account_daily_limit_met"
    NEW_LEAD_LIMIT_MET = "new_lead_limit_met"
    ALL_ACCOUNTS_UNHEALTHY = "all_accounts_unhealthy"
    WAITING_FOR_ESP_MATCH = "waiting_for_esp_match"
    DOMAIN_LIMIT_REACHED = "domain_limit_reached"
    FOLLOW_UP_DELAY_NOT_MET = "follow_up_delay_not_met"
    NO_ACCOUNTS_AVAILABLE = "no_accounts_available"
    HEALTHY = "healthy"


@dataclass(frozen=True)
class SendingStatus:
    """Whether a campaign or subsequence sends, and why not.

    :param status: the effective code: that of ``diagnostics``, else that of ``summary``, else None.
    :param last_updated: when the service last refreshed the data, in UTC; None where that is unknown.
    :param reason: the service's explanation, for people.
    :param issue_started_at: when the present issue started, in UTC.
    :param last_healthy_send_at: when a mail was last sent without an issue, in UTC.
    :param ai_summary: only where it was requested.
    :param raw: the whole response.
    """

    status: str | None
    last_updated: datetime | None = None
    reason: str | None = None
    issue_started_at: datetime | None = None
    last_healthy_send_at: datetime | None = None
    ai_summary: str | None = None
    raw: Mapping[str, Any] = field(default_factory=dict, repr=False)

    def diagnostic(self, *path: str) -> Any:
        """Return a field of ``diagnostics`` by its path; None where any part of the path is missing."""
        found: Any = self.raw.get("diagnostics")
        for name in path:
            found = found.get(name) if isinstance(found, Mapping) else None
        return found

    def diagnostic_number(self, *path: str) -> float | None:
        """Return a number of ``diagnostics`` by its path; None where there is no finite number."""
        found = self.diagnostic(*path)
        if isinstance(found, bool) or not isinstance(found, (int, float)):
            return None
        try:
            number = float(found)
        except OverflowError:
            return None
        return number if math.isfinite(number) else None


def get_sending_status(campaign_id: str, *, with_ai_summary: bool = False) -> Call[SendingStatus]:
    """Get whether a campaign sends, and why not. Needs ``campaigns:read``.

    https://developer.instantly.ai/api-reference/campaign/get-campaign-sending-status

    :param with_ai_summary: also request a summary written by AI; its cost is not documented.
    :raises ValueError: the id is not a UUID.
    """
    checked_id = check_uuid(campaign_id, "campaign_id")
    return _status_call("campaigns", "campaign_id", checked_id, with_ai_summary)


def get_subsequence_sending_status(
    subsequence_id: str, *, with_ai_summary: bool = False
) -> Call[SendingStatus]:
    """Get whether a subsequence sends, and why not. Needs ``subsequences:read``.

    :param with_ai_summary: also request a summary written by AI; its cost is not documented.
    :raises ValueError: the id is not a UUID.
    """
    checked_id = check_uuid(subsequence_id, "subsequence_id")
    return _status_call("subsequences", "subsequence_id", checked_id, with_ai_summary)


def _status_call(
    collection: str,
    id_field: str,
    checked_id: str,
    with_ai_summary: bool,  # noqa: FBT001
) -> Call[SendingStatus]:
    call = get_call(
        f"/{collection}/{checked_id}/sending-status",
        lambda response: _parse_status(response, id_field, checked_id),
        params={"with_ai_summary": True} if with_ai_summary else None,
        max_bytes=MAX_STATUS_BYTES,
    )
    return replace(call, reject_duplicate_keys=True)


def _parse_status(response: Mapping[str, Any], id_field: str, requested_id: str) -> SendingStatus:
    without_error(response)
    diagnostics = object_field(response, "diagnostics")
    summary = object_field(response, "summary")
    _check_id((diagnostics, summary, response), id_field, requested_id)
    tracking = object_field(diagnostics, "issue_tracking")
    return SendingStatus(
        status=_effective_code(diagnostics.get("status"), summary.get("status")),
        last_updated=parse_instant(diagnostics.get("last_updated")),
        reason=text_or_none(summary.get("status_message")),
        issue_started_at=parse_instant(summary.get("issue_started_at"))
        or parse_instant(tracking.get("issue_first_seen_at")),
        last_healthy_send_at=parse_instant(summary.get("last_healthy_send_at"))
        or parse_instant(tracking.get("last_healthy_send_at")),
        ai_summary=text_or_none(summary.get("ai_summary")),
        raw=response,
    )


def _check_id(parts: Sequence[Mapping[str, Any]], id_field: str, requested_id: str) -> None:
    ids = [part.get(id_field) for part in parts]
    if ids[0] is None:  # diagnostics of a campaign in place of a subsequence, or the other way round
        ids += [parts[0].get(name) for name in ("campaign_id", "subsequence_id")]
    if any(found is not None and str(found).lower() != requested_id.lower() for found in ids):
        raise MalformedResponseError(
            f"sending-status: requested {requested_id}, got a response about another id."
        )


def _effective_code(of_diagnostics: Any, of_summary: Any) -> str | None:
    """Return the code exactly as reported; the summary's only where ``diagnostics`` has none or null."""
    code = of_summary if of_diagnostics is None else of_diagnostics
    return code if isinstance(code, str) and can_be_a_status(code, MAX_CODE_LENGTH) else None

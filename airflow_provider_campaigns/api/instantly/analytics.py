"""Analytics of campaigns: in total, per day and per step."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from airflow_provider_campaigns.api.call import Call
from airflow_provider_campaigns.api.instantly.base import ROOT, SERVICE, get_call, unchanged
from airflow_provider_campaigns.api.values import check_names, objects_in
from airflow_provider_campaigns.exceptions import MalformedResponseError


def get_campaign_analytics(**filters: Any) -> Call[Sequence[Mapping[str, Any]]]:
    """Get the analytics of one, some or all campaigns; a campaign that has not sent yet is missing.

    https://developer.instantly.ai/api-reference/campaign/get-campaigns-analytics

    :param filters: ``id``, ``ids`` (a list), ``start_date`` and ``end_date`` (``YYYY-MM-DD``, UTC),
        ``exclude_total_leads_count`` (true makes the call much faster).
    """
    known = {"id", "ids", "start_date", "end_date", "exclude_total_leads_count"}
    return _list_call("/campaigns/analytics", filters, known)


def get_campaign_analytics_overview(**filters: Any) -> Call[Mapping[str, Any]]:
    """Get the summed analytics of one, some or all campaigns.

    https://developer.instantly.ai/api-reference/campaign/get-campaigns-analytics-overview

    :param filters: ``id``, ``ids`` (a list), ``start_date``, ``end_date``, ``campaign_status``,
        ``expand_crm_events``.
    """
    known = {"id", "ids", "start_date", "end_date", "campaign_status", "expand_crm_events"}
    params = check_names(filters, known, "filters")
    return get_call("/campaigns/analytics/overview", unchanged, params=params)


def get_daily_campaign_analytics(**filters: Any) -> Call[Sequence[Mapping[str, Any]]]:
    """Get analytics per day.

    https://developer.instantly.ai/api-reference/campaign/get-daily-campaign-analytics

    :param filters: ``campaign_id``, ``start_date``, ``end_date``, ``campaign_status``.
    """
    known = {"campaign_id", "start_date", "end_date", "campaign_status"}
    return _list_call("/campaigns/analytics/daily", filters, known)


def get_campaign_steps_analytics(**filters: Any) -> Call[Sequence[Mapping[str, Any]]]:
    """Get analytics per step and variant.

    https://developer.instantly.ai/api-reference/campaign/get-campaign-steps-analytics

    :param filters: ``campaign_id``, ``start_date``, ``end_date``, ``include_opportunities_count``.
    """
    known = {"campaign_id", "start_date", "end_date", "include_opportunities_count"}
    return _list_call("/campaigns/analytics/steps", filters, known)


def _list_call(
    path: str, filters: Mapping[str, Any], known: Collection[str]
) -> Call[Sequence[Mapping[str, Any]]]:
    """Build a GET whose response is a JSON list without pages."""

    def parse(payload: Any) -> Sequence[Mapping[str, Any]]:
        if not isinstance(payload, list):
            raise MalformedResponseError(f"GET {path}: expected a JSON list.")
        return objects_in(payload)

    return Call(
        SERVICE, "GET", f"{ROOT}{path}", parse, params=check_names(filters, known, "filters"), idempotent=True
    )

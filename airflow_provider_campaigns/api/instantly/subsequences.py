"""Subsequences of campaigns: list, get, pause and resume them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from airflow_provider_campaigns.api.call import Call
from airflow_provider_campaigns.api.instantly.base import (
    PAGE_SIZE,
    Page,
    get_call,
    page_params,
    parse_page,
    unchanged,
    without_error,
    write_call,
)
from airflow_provider_campaigns.api.values import check_uuid


def list_subsequences(
    *, starting_after: str | None = None, limit: int = PAGE_SIZE, **filters: Any
) -> Call[Page]:
    """Get one page of the subsequences. Needs ``subsequences:read``.

    https://developer.instantly.ai/api-reference/schemas/campaign-subsequence

    :param starting_after: the cursor that the previous page returned, unchanged.
    :param limit: items per page, 1 to 100.
    :param filters: ``parent_campaign``, ``parent_campaign_not``, ``search``.
    :raises ValueError: the limit is not 1 to 100.
    """
    return get_call(
        "/subsequences",
        parse_page,
        params=page_params(
            filters, limit, starting_after, known={"parent_campaign", "parent_campaign_not", "search"}
        ),
    )


def get_subsequence(subsequence_id: str) -> Call[Mapping[str, Any]]:
    """Get a subsequence. Needs ``subsequences:read``.

    :raises ValueError: the id is not a UUID.
    """
    return replace(get_call(_path(subsequence_id), without_error), reject_duplicate_keys=True)


def pause_subsequence(subsequence_id: str) -> Call[Mapping[str, Any]]:
    """Pause a subsequence. Needs ``subsequences:update``.

    :raises ValueError: the id is not a UUID.
    """
    return write_call("POST", f"{_path(subsequence_id)}/pause", unchanged)


def resume_subsequence(subsequence_id: str) -> Call[Mapping[str, Any]]:
    """Resume a subsequence. Needs ``subsequences:update``.

    :raises ValueError: the id is not a UUID.
    """
    return write_call("POST", f"{_path(subsequence_id)}/resume", unchanged)


def _path(subsequence_id: str) -> str:
    return f"/subsequences/{check_uuid(subsequence_id, 'subsequence_id')}"

"""The credits of an account."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow_provider_campaigns.api.call import Call
from airflow_provider_campaigns.api.campaign_cleaner.base import get_call
from airflow_provider_campaigns.exceptions import MalformedResponseError


def get_credits() -> Call[int]:
    """Get the number of credits left.

    https://docs.campaigncleaner.com/api-reference/endpoint/get-credits
    """
    return get_call("get_credits", _parse_credits)


def _parse_credits(response: Mapping[str, Any]) -> int:
    lowered = {name.lower(): value for name, value in response.items()}
    try:
        return int(float(lowered["credits"]))
    except (KeyError, TypeError, ValueError, OverflowError):
        raise MalformedResponseError("get_credits: the response contains no number of credits.") from None

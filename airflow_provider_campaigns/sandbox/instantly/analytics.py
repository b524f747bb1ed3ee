"""The analytics endpoints. All values are made up from the number of leads."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

from airflow_provider_campaigns.api.instantly import LifecycleStatus
from airflow_provider_campaigns.sandbox.exchange import RefusedError, Reply, Request, Route, json_reply
from airflow_provider_campaigns.sandbox.state import SandboxState

_SENT_PERCENT = 50
_OPENED_PERCENT = 40
_REPLIED_PERCENT = 6
_CLICKED_PERCENT = 3
_BOUNCED_PERCENT = 1


def _per_campaign(state: SandboxState, request: Request) -> Reply:
    _check_dates(request.query)
    ids = _ids(request.query)
    chosen = [
        campaign
        for campaign in state.campaigns.values()
        if (campaign["id"] in ids if ids else campaign["status"] != LifecycleStatus.DRAFT)
    ]
    return json_reply(
        [
            {
                "campaign_id": campaign["id"],
                "campaign_name": campaign["name"],
                "campaign_status": campaign["status"],
                "campaign_is_evergreen": bool(campaign.get("is_evergreen")),
                "leads_count": len(state.leads_in(campaign["id"])),
                **_totals(_sent(state, campaign)),
            }
            for campaign in chosen
        ]
    )


def _overview(state: SandboxState, request: Request) -> Reply:
    _check_dates(request.query)
    ids, status = _ids(request.query), request.query.get("campaign_status")
    sent = sum(
        _sent(state, campaign)
        for campaign in state.campaigns.values()
        if (not ids or campaign["id"] in ids) and status in (None, str(campaign["status"]))
    )
    outcomes = ("total_interested", "total_meeting_booked", "total_meeting_completed", "total_closed")
    return json_reply({**_totals(sent), **dict.fromkeys(outcomes, 0)})


def _daily(state: SandboxState, request: Request) -> Reply:
    """Return one day: all mail of the sandbox was sent today."""
    start, end = _check_dates(request.query)
    today = state.clock().date()
    sent = _sent_by(state, request.query.get("campaign_id"))
    if not sent or (start and start > today) or (end and end < today):
        return json_reply([])
    day = {"date": today.isoformat(), "sent": sent, "contacted": sent, "new_leads_contacted": sent}
    return json_reply([{**day, **_reactions(sent), "opportunities": 0, "unique_opportunities": 0}])


def _steps(state: SandboxState, request: Request) -> Reply:
    """Return one step: all mail of the sandbox belongs to the first variant of the first step."""
    _check_dates(request.query)
    sent = _sent_by(state, request.query.get("campaign_id"))
    return json_reply([{"step": "0", "variant": "0", "sent": sent, **_reactions(sent)}] if sent else [])


_ROOT = "/api/v2/campaigns/analytics"
ROUTES = (
    Route("GET", _ROOT, _per_campaign),
    Route("GET", f"{_ROOT}/overview", _overview),
    Route("GET", f"{_ROOT}/daily", _daily),
    Route("GET", f"{_ROOT}/steps", _steps),
)


def _sent(state: SandboxState, campaign: Mapping[str, Any]) -> int:
    if campaign["status"] == LifecycleStatus.DRAFT:
        return 0
    return _share(len(state.leads_in(campaign["id"])), _SENT_PERCENT)


def _sent_by(state: SandboxState, campaign_id: str | None) -> int:
    return sum(_sent(state, each) for each in state.campaigns.values() if campaign_id in (None, each["id"]))


def _totals(sent: int) -> dict[str, int]:
    events = {
        "open_count": _share(sent, _OPENED_PERCENT),
        "reply_count": _share(sent, _REPLIED_PERCENT),
        "link_click_count": _share(sent, _CLICKED_PERCENT),
        "reply_count_automatic": 0,
    }
    variants = {f"{name}_{kind}": events[name] for name in events for kind in ("unique", "unique_by_step")}
    return {
        **events,
        **variants,
        "contacted_count": sent,
        "emails_sent_count": sent,
        "new_leads_contacted_count": sent,
        "bounced_count": _share(sent, _BOUNCED_PERCENT),
        "unsubscribed_count": 0,
        "completed_count": 0,
        "total_opportunities": 0,
        "total_opportunity_value": 0,
    }


def _reactions(sent: int) -> dict[str, int]:
    events = {
        "opened": _share(sent, _OPENED_PERCENT),
        "replies": _share(sent, _REPLIED_PERCENT),
        "replies_automatic": 0,
        "clicks": _share(sent, _CLICKED_PERCENT),
    }
    return {**events, **{f"unique_{name}": count for name, count in events.items()}}


def _share(whole: int, percent: int) -> int:
    return whole * percent // 100


def _ids(query: Mapping[str, str]) -> set[str]:
    return {each for name in ("id", "ids") for each in query.get(name, "").split(",") if each}


def _check_dates(query: Mapping[str, str]) -> tuple[date | None, date | None]:
    """Return the first and the last day of a query; errors here have only a ``message``."""
    start, end = (_day(query.get(name), name) for name in ("start_date", "end_date"))
    return start, end


def _day(value: str | None, name: str) -> date | None:
    if not value:
        return None
    try:
        return datetime.fromisoformat(value.replace("Z", "+00:00")).date()
    except ValueError:
        raise RefusedError(json_reply({"message": f"querystring/{name} must be a date"}, 400)) from None

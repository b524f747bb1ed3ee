"""The endpoints of Campaign Cleaner's API.

Vendor pages: https://docs.campaigncleaner.com/api-reference/introduction. Errors have HTTP status 200 and an
``error``. Where those pages do not define a response (a new inbox test, results that are not ready), the
sandbox returns a plausible one.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any

from airflow_provider_campaigns.api.campaign_cleaner import MAX_CUSTOM_INFO, SERVICE, CampaignState
from airflow_provider_campaigns.sandbox.campaign_cleaner.analysis import analyse, one_page_pdf
from airflow_provider_campaigns.sandbox.campaign_cleaner.cleaning import DEFAULT_SETTINGS, clean
from airflow_provider_campaigns.sandbox.exchange import (
    RefusedError,
    Reply,
    Request,
    Route,
    json_reply,
    reason_phrase,
)
from airflow_provider_campaigns.sandbox.habits import cleaned_html
from airflow_provider_campaigns.sandbox.state import InboxTest, SandboxState, SubmittedCampaign

PREFIX = "/v1/"

_SEEDS = (
    ("Gmail", "Inbox"), ("Outlook", "Inbox"), ("Yahoo", "Spam"), ("iCloud", "Inbox"), ("Zoho", "Inbox"),
)  # fmt: skip


def refusal(message: str, status: int = 200) -> RefusedError:
    """Return an error in the form of the service."""
    return RefusedError(json_reply({"error": message}, status))


def default_refusal(status: int) -> RefusedError:
    """Return an error for an HTTP status that the service does not document."""
    return refusal(f"{reason_phrase(status)}.", status)


def check_key(state: SandboxState, headers: Mapping[str, str]) -> None:
    """Refuse a request without an accepted key."""
    given = headers.get(SERVICE.key_header, "").strip()
    if not given or state.options.campaign_cleaner_key not in (None, given):
        raise refusal("The API key is missing or invalid.", state.options.campaign_cleaner_key_status)


def _send(state: SandboxState, request: Request) -> Reply:
    fields = _object(request, "send_campaign")
    html, name = _string(fields, "campaign_html"), _string(fields, "campaign_name")
    custom_info = fields.get("custom_info") or ""
    if not isinstance(custom_info, str) or len(custom_info) > MAX_CUSTOM_INFO:
        raise refusal(f"custom_info must be a string of at most {MAX_CUSTOM_INFO} characters.")
    for name_of_url in ("webhook_url", "relative_links_base_url"):
        if fields.get(name_of_url) is not None:
            _string(fields, name_of_url)
    if state.credits < 1:
        raise refusal("Not enough credits to process this campaign.")
    settings = {name: value for name, value in fields.items() if name not in _NOT_SETTINGS}
    campaign = state.submit(name, html, settings, custom_info)
    request.log_fields["campaign_id"] = campaign.id
    return json_reply({"campaign": {"id": campaign.id}})


_NOT_SETTINGS = {"campaign_html", "campaign_name", "custom_info", "webhook_url"}


def _status(state: SandboxState, request: Request) -> Reply:
    campaign = _campaign(state, request)
    fields = campaign_as_json(campaign, state.clock())
    request.log_fields["state"] = fields["status"]
    return json_reply({"campaign_status": fields})


def _get(state: SandboxState, request: Request) -> Reply:
    campaign = _completed(state, request)
    minimize = _object(request, "campaign").get("minimize_html", True) is not False
    cleaned = clean(campaign.html, campaign.settings, minimize=minimize)
    return json_reply(
        {
            "campaign": {
                **DEFAULT_SETTINGS,
                **campaign.settings,
                **analyse(campaign.html, campaign.settings),
                "campaign_id": campaign.id,
                "campaign_name": campaign.name,
                "custom_info": campaign.custom_info,
                "results_time": _time(campaign.ready_at),
                "minimize_html": minimize,
                "campaign_html": cleaned_html(cleaned, state.habits),
            }
        }
    )


def _list(state: SandboxState, request: Request) -> Reply:
    now = state.clock()
    return json_reply({"campaign_list": [campaign_as_json(each, now) for each in state.submitted.values()]})


def _pdf(state: SandboxState, request: Request) -> Reply:
    campaign = _completed(state, request)
    report = analyse(campaign.html, campaign.settings)
    lines = [f"Campaign analysis: {campaign.name}", f"Campaign id: {campaign.id}", ""]
    lines += [
        f"{line['check']}: {line['count']}{'' if line['passed'] else '  (check this)'}"
        for line in report["campaign_summary"]
    ]
    disposition = {"Content-Disposition": f'attachment; filename="{campaign.id}.pdf"'}
    return Reply(one_page_pdf(lines), content_type="application/pdf", headers=disposition)


def _credits(state: SandboxState, request: Request) -> Reply:
    return json_reply({"credits": state.credits})


def _delete(state: SandboxState, request: Request) -> Reply:
    campaign_id = _string(_object(request, "campaign"), "id")
    request.log_fields["campaign_id"] = campaign_id
    if state.submitted.pop(campaign_id, None) is None:
        return json_reply({"status": "failure", "error": "No such campaign."})
    return json_reply({"status": "success"})


def _create_inbox_test(state: SandboxState, request: Request) -> Reply:
    name = request.body.get("test_name") if isinstance(request.body, dict) else None
    test = state.start_inbox_test(name if isinstance(name, str) else "Inbox test")
    return json_reply({"job_id": test.id, "send_to": [_seed_address(provider) for provider, _ in _SEEDS]})


def _inbox_test_results(state: SandboxState, request: Request) -> Reply:
    body = request.body if isinstance(request.body, dict) else {}
    test = state.inbox_tests.get(_string(body, "job_id"))
    if test is None:
        raise refusal("No such inbox test.")
    return json_reply(_placements(test, state.clock()))


ROUTES = (
    Route("POST", "/v1/send_campaign", _send),
    Route("POST", "/v1/get_campaign_status", _status),
    Route("POST", "/v1/get_campaign", _get),
    Route("GET", "/v1/get_campaign_list", _list),
    Route("POST", "/v1/get_campaign_pdf_analysis", _pdf),
    Route("GET", "/v1/get_credits", _credits),
    Route("POST", "/v1/delete_campaign", _delete),
    Route("POST", "/v1/create_inbox_test", _create_inbox_test),
    Route("POST", "/v1/get_inbox_test_results", _inbox_test_results),
)


def campaign_as_json(campaign: SubmittedCampaign, now: datetime) -> dict[str, Any]:
    """Return the four fields of a campaign in the status and in the list."""
    return {
        "id": campaign.id,
        "campaign_name": campaign.name,
        "status": campaign.status(now),
        "date_added": _time(campaign.added),
    }


def _placements(test: InboxTest, now: datetime) -> dict[str, Any]:
    total = len(_SEEDS)
    received = int(test.progress(now) * total)
    placed = [placement for _, placement in _SEEDS[:received]]
    inbox, spam = placed.count("Inbox"), placed.count("Spam")
    return {
        "job_id": test.id,
        "test_name": test.name,
        "submitted_date": _time(test.submitted),
        "submitted_by": "you@sandbox.test",
        "status": "Completed" if received == total else "Processing",
        "summary": {
            "total_seeds": total,
            "received": received,
            "inbox": inbox,
            "spam": spam,
            "unknown_placement": 0,
            "pending": total - received,
            "inbox_rate": 100 * inbox // total,
            "spam_rate": 100 * spam // total,
        },
        "results": [
            {
                "provider": provider,
                "seed_address": _seed_address(provider),
                "email_found": position < received,
                "placement": placement if position < received else "Pending",
                "spf_status": "pass" if position < received else "",
                "sender_ip": "192.0.2.1" if position < received else "",
            }
            for position, (provider, placement) in enumerate(_SEEDS)
        ],
    }


def _seed_address(provider: str) -> str:
    return f"{provider.lower()}@seeds.test"


def _completed(state: SandboxState, request: Request) -> SubmittedCampaign:
    campaign = _campaign(state, request)
    status = campaign.status(state.clock())
    request.log_fields["state"] = status
    if status != CampaignState.COMPLETED:
        raise refusal(f"The campaign is {status}; its results are not available yet.")
    return campaign


def _campaign(state: SandboxState, request: Request) -> SubmittedCampaign:
    campaign_id = _string(_object(request, "campaign"), "id")
    request.log_fields["campaign_id"] = campaign_id
    campaign = state.submitted.get(campaign_id)
    if campaign is None:
        raise refusal("No such campaign.")
    return campaign


def _object(request: Request, wrapper: str) -> dict[str, Any]:
    found = request.body.get(wrapper) if isinstance(request.body, dict) else None
    if not isinstance(found, dict):
        raise refusal(f"The body must be a JSON object with an object '{wrapper}'.")
    return found


def _string(fields: Mapping[str, Any], name: str) -> str:
    value = fields.get(name)
    if not isinstance(value, str) or not value.strip():
        raise refusal(f"{name} is required.")
    return value


def _time(moment: datetime) -> str:
    """Return a time with a numeric offset, as in the vendor's example."""
    return moment.astimezone(timezone.utc).isoformat(timespec="seconds")

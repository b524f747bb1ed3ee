"""Campaign Cleaner's endpoints: response forms, states over time, credits, and errors with a 200."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
import requests

from airflow_provider_campaigns.api import campaign_cleaner as api
from airflow_provider_campaigns.sandbox import running

from .conftest import Client, StoppedClock

# Every field of a result that the vendor or one of its clients names, and its type.
RESULT_MEMBERS: dict[str, type | tuple[type, ...]] = {
    "adjust_font_colors": bool,
    "adjust_font_size": bool,
    "all_capitalized_words": int,
    "all_capitalized_word_ratio": float,
    "all_capitalized_word_max_acceptable_ratio": float,
    "all_link_list": list,
    "campaign_id": str,
    "campaign_name": str,
    "custom_info": str,
    "results_time": str,
    "campaign_html": str,
    "total_word_count": int,
    "spam_words_count": int,
    "spam_keyword_ratio": float,
    "spam_keyword_list": list,
    "text_image_ratio": float,
    "text_link_ratio": float,
    "links_scanned": int,
    "broken_links": int,
    "blacklisted_links_found": int,
    "blacklisted_links": list,
    "domains_scanned": int,
    "pd_cdns_found": int,
    "pd_cdn_list": list,
    "image_count": int,
    "image_list": list,
    "os_image_list": list,
    "bg_image_list": list,
    "campaign_summary": list,
}


def wrapped(campaign_id: str, **fields: Any) -> dict[str, Any]:
    return {"campaign": {"id": campaign_id, **fields}}


def test_campaign_completes_after_its_processing_time(client: Client, stopped_clock: StoppedClock) -> None:
    campaign_id = client.submit()

    def status() -> dict[str, Any]:
        response = client.cleaner("get_campaign_status", wrapped(campaign_id)).json()
        assert response.keys() == {"campaign_status"}
        return dict(response["campaign_status"])

    assert status()["status"] == "processing"
    stopped_clock.advance(2.9)
    assert status()["status"] == "processing"
    stopped_clock.advance(0.1)
    assert status() | {"date_added": ""} == {
        "id": campaign_id,
        "campaign_name": "Spring",
        "status": "completed",
        "date_added": "",
    }
    assert datetime.fromisoformat(status()["date_added"]).utcoffset() is not None


def test_result_has_every_known_field(client: Client, stopped_clock: StoppedClock) -> None:
    campaign_id = client.submit(
        "<h1>BIG news</h1><a href='https://example.org/'>Buy now</a><img src='https://example.org/a.png'>",
        custom_info="run=1",
        adjust_font_size=False,
    )
    stopped_clock.advance(3)
    result = client.cleaner("get_campaign", wrapped(campaign_id)).json()["campaign"]
    for name, kind in RESULT_MEMBERS.items():
        assert isinstance(result[name], kind), name
    assert result["campaign_id"] == campaign_id
    assert result["custom_info"] == "run=1"
    assert result["adjust_font_size"] is False
    assert {name: type(value) for name, value in result["all_link_list"][0].items()} == {
        "link_url": str,
        "link_status": str,
        "link_redirected_url": str,
        "link_is_image": bool,
        "link_is_broken": bool,
        "link_initial": bool,
    }


def test_html_is_minimized_unless_requested_otherwise(client: Client, stopped_clock: StoppedClock) -> None:
    campaign_id = client.submit("<p>Hello\n\n   {{firstName}}</p>")
    stopped_clock.advance(3)

    def html(**fields: bool) -> str:
        result = client.cleaner("get_campaign", wrapped(campaign_id, **fields)).json()
        return str(result["campaign"]["campaign_html"])

    assert html() == html(minimize_html=True) == "<p>Hello {{firstName}}</p>"
    assert html(minimize_html=False) == "<p>Hello\n\n   {{firstName}}</p>"


@pytest.mark.parametrize("name", ["get_campaign", "get_campaign_pdf_analysis"])
def test_result_before_completion_is_an_error_with_200(client: Client, name: str) -> None:
    response = client.cleaner(name, wrapped(client.submit()))
    assert response.status_code == 200
    assert "processing" in response.json()["error"]


def test_pdf_analysis_is_a_pdf(client: Client, stopped_clock: StoppedClock) -> None:
    campaign_id = client.submit(campaign_name="Olé (draft)")
    stopped_clock.advance(3)
    response = client.cleaner("get_campaign_pdf_analysis", wrapped(campaign_id))
    assert response.headers["Content-Type"] == "application/pdf"
    assert response.content.startswith(b"%PDF-1.4")
    assert response.content.endswith(b"%%EOF\n")
    assert b"Ol\xe9 \\(draft\\)" in response.content
    table = int(response.content.rsplit(b"startxref", 1)[1].split()[0])
    assert response.content[table:].startswith(b"xref")
    first_object = int(response.content[table:].splitlines()[3].split()[0])
    assert response.content[first_object:].startswith(b"1 0 obj")


def test_submission_spends_a_credit_until_none_is_left(client: Client) -> None:
    client.state.credits = 2
    client.submit()
    assert client.cleaner("get_credits").json() == {"credits": 1}
    client.submit()
    refused = client.cleaner("send_campaign", {"send_campaign": {"campaign_html": "x", "campaign_name": "y"}})
    assert (refused.status_code, list(refused.json())) == (200, ["error"])
    assert client.cleaner("get_credits").json() == {"credits": 0}
    assert len(client.cleaner("get_campaign_list").json()["campaign_list"]) == 2


def test_second_delete_fails(client: Client) -> None:
    campaign_id = client.submit()
    assert client.cleaner("delete_campaign", wrapped(campaign_id)).json() == {"status": "success"}
    again = client.cleaner("delete_campaign", wrapped(campaign_id)).json()
    assert again.pop("error")
    assert again == {"status": "failure"}
    assert client.cleaner("get_campaign_list").json() == {"campaign_list": []}


def test_inbox_test_completes_over_time(client: Client, stopped_clock: StoppedClock) -> None:
    created = client.cleaner("create_inbox_test", {"test_name": "Spring"}).json()
    assert all("@" in address for address in created["send_to"])

    def results() -> Any:
        return client.cleaner("get_inbox_test_results", {"job_id": created["job_id"]}).json()

    assert results()["status"] == "Processing"
    assert results()["summary"] | {"total_seeds": 5, "pending": 5} == results()["summary"]
    stopped_clock.advance(1.5)
    assert (results()["status"], results()["summary"]["received"]) == ("Processing", 2)
    stopped_clock.advance(1.5)
    assert (results()["status"], results()["test_name"]) == ("Completed", "Spring")
    assert results()["summary"]["inbox_rate"] + results()["summary"]["spam_rate"] == 100
    assert {each["placement"] for each in results()["results"]} == {"Inbox", "Spam"}


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("send_campaign", {}),
        ("send_campaign", {"campaign_html": "x", "campaign_name": "y"}),
        ("send_campaign", {"send_campaign": {"campaign_html": "x"}}),
        ("send_campaign", {"send_campaign": {"campaign_html": " ", "campaign_name": "y"}}),
        (
            "send_campaign",
            {"send_campaign": {"campaign_html": "x", "campaign_name": "y", "custom_info": "z" * 501}},
        ),
        (
            "send_campaign",
            {"send_campaign": {"campaign_html": "x", "campaign_name": "y", "relative_links_base_url": 1}},
        ),
        ("get_campaign_status", wrapped("unknown")),
        ("get_campaign_status", {"campaign": "unknown"}),
        ("get_campaign", [1]),
        ("get_inbox_test_results", {"job_id": "unknown"}),
    ],
)
def test_invalid_request_is_an_error_with_200(client: Client, name: str, body: Any) -> None:
    response = client.cleaner(name, body)
    assert response.status_code == 200
    assert isinstance(response.json()["error"], str)


def test_body_that_is_not_json_is_an_error_with_200(client: Client) -> None:
    response = client.call("POST", "/v1/get_campaign", data="{", headers={"X-CC-API-Key": "any"})
    assert (response.status_code, list(response.json())) == (200, ["error"])


def test_unknown_path_or_method_is_not_found(client: Client) -> None:
    assert client.cleaner("get_campaigns").status_code == 404
    assert client.cleaner("send_campaign").status_code == 405
    assert client.cleaner("send_campaign").json().keys() == {"error"}


@pytest.mark.parametrize("status", [401, 200])
def test_only_the_configured_key_is_accepted(status: int) -> None:
    with running(campaign_cleaner_key="right", campaign_cleaner_key_status=status) as sandbox:
        for key in ("right", "wrong", "", None):
            headers = {} if key is None else {"X-CC-API-Key": key}
            response = requests.get(f"{sandbox.url}/v1/get_credits", headers=headers, timeout=60)
            assert response.status_code == (200 if key == "right" else status)
            assert ("error" in response.json()) is (key != "right")


def test_provider_parses_the_responses(client: Client, stopped_clock: StoppedClock) -> None:
    def ask(call: Any) -> Any:
        response = client.call(call.method, call.path, call.body, headers={"X-CC-API-Key": "any"})
        return call.parse(response.json())

    campaign_id = ask(api.send_campaign("<p>Hi</p>", "Spring"))
    stopped_clock.advance(3)
    assert ask(api.get_campaign_status(campaign_id)).state is api.CampaignState.COMPLETED
    assert ask(api.get_campaign(campaign_id)).html == "<p>Hi</p>"
    assert [each.id for each in ask(api.get_campaign_list())] == [campaign_id]
    assert ask(api.get_credits()) == 99

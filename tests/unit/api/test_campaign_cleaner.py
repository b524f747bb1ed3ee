from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

import pytest

from airflow_provider_campaigns.api import campaign_cleaner as api
from airflow_provider_campaigns.api.campaign_cleaner import CampaignState, CampaignStatus
from airflow_provider_campaigns.exceptions import MalformedResponseError, RejectedError

ID = "e8c8af95-c033-11ed-9848-003048d8d536"
FIELDS = {
    "id": ID,
    "campaign_name": "Test Campaign 1",
    "status": "completed",
    "date_added": "2023-02-23T12:02:46-05:00",
}
READ = CampaignStatus(
    ID, "completed", "Test Campaign 1", datetime(2023, 2, 23, 17, 2, 46, tzinfo=timezone.utc)
)


@pytest.mark.parametrize(
    ("call", "method", "path", "body", "idempotent"),
    [
        (api.get_campaign_status(ID), "POST", "/v1/get_campaign_status", {"campaign": {"id": ID}}, True),
        (
            api.get_campaign(ID),
            "POST",
            "/v1/get_campaign",
            {"campaign": {"id": ID, "minimize_html": True}},
            True,
        ),
        (api.get_campaign_list(), "GET", "/v1/get_campaign_list", None, True),
        (api.get_credits(), "GET", "/v1/get_credits", None, True),
        (
            api.send_campaign("<p>", "n", settings={"inline_css": False, "minify_html": None}),
            "POST",
            "/v1/send_campaign",
            {"send_campaign": {"campaign_html": "<p>", "campaign_name": "n", "inline_css": False}},
            False,
        ),
    ],
)  # fmt: skip
def test_calls(call: Any, method: str, path: str, body: Any, idempotent: bool) -> None:
    assert (call.method, call.target, call.body, call.idempotent) == (method, path, body, idempotent)


@pytest.mark.parametrize(
    "answer",
    [
        {"campaign_status": FIELDS},
        {"campaign_list": FIELDS},
        {"campaign_list": [{"id": "other", "status": "paused"}, FIELDS]},
        {"campaign": FIELDS},
        FIELDS,
        {
            "campaign_status": FIELDS,
            "campaign_list": {**FIELDS, "status": "paused"},
        },  # the best-attested wins
        {"campaign_status": None, "campaign": FIELDS},
        {"campaign_status": FIELDS, "error": ""},
        {"campaign_status": FIELDS, "Error": None},
        {"campaign_status": {**FIELDS, "status": " Completed "}},
        {"campaign_status": {**FIELDS, "id": ID.upper()}},
    ],
)
def test_a_status_is_found_wherever_the_vendor_puts_it(answer: dict) -> None:
    status = api.get_campaign_status(ID).parse(answer)
    assert status.state is CampaignState.COMPLETED
    assert status.id.lower() == READ.id
    assert (status.campaign_name, status.date_added) == (READ.campaign_name, READ.date_added)


def test_an_answer_without_an_id_is_about_the_campaign_that_was_asked_for() -> None:
    assert api.get_campaign_status(ID).parse({"campaign_status": {"status": "paused"}}) == CampaignStatus(
        ID, "paused"
    )


def test_an_unknown_state_is_kept_as_it_was_said() -> None:
    status = api.get_campaign_status(ID).parse({"campaign_status": {**FIELDS, "status": "Failed"}})
    assert (status.status, status.state) == ("failed", None)


@pytest.mark.parametrize(
    "answer",
    [
        {},
        [],
        None,
        "completed",
        {"campaign_status": "completed"},
        {"campaign_status": {**FIELDS, "status": None}},
        {"campaign_status": {**FIELDS, "status": 1}},
        {"campaign_list": []},
        {"campaign_list": [{"id": "other", "status": "completed"}]},
        {"campaign_status": {**FIELDS, "id": "another-campaign"}},
    ],
)
def test_an_answer_that_holds_no_status_of_this_campaign_is_malformed(answer: Any) -> None:
    with pytest.raises(MalformedResponseError):
        api.get_campaign_status(ID).parse(answer)


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ({"error": "No credits left"}, "No credits left"),
        ({"Error": "bad key"}, "bad key"),
        ({"ERROR": "x", "campaign_status": FIELDS}, "x"),
        ({"error": {"message": "deep"}}, "deep"),
        ({"error": {"detail": "deeper"}}, "deeper"),
        ({"error": ["a list"]}, r"\['a list'\]"),
        ({"error": True, "message": "said elsewhere"}, "said elsewhere"),
        ({"error": 17}, "17"),
    ],
)
@pytest.mark.parametrize(
    "call",
    [api.get_campaign_status(ID), api.get_campaign(ID), api.get_credits(), api.send_campaign("<p>", "n")],
)
def test_an_error_in_a_200_is_an_error_in_any_spelling(call: Any, answer: dict, told: str) -> None:
    with pytest.raises(RejectedError, match=f": {told}$"):
        call.parse(answer)


def test_get_campaign_parts_the_html_from_the_analysis() -> None:
    campaign = api.get_campaign(ID).parse({"campaign": {"campaign_html": "<p>", "broken_links": 0}})
    assert (campaign.id, campaign.html, campaign.analysis) == (ID, "<p>", {"broken_links": 0})
    assert api.get_campaign(ID).parse({"campaign_html": "<p>"}).html == "<p>"
    assert api.get_campaign(ID).parse({"campaign": {"broken_links": 0}}).html is None


def test_get_campaign_of_another_campaign_is_malformed() -> None:
    other = {"campaign": {"campaign_html": "<p>", "campaign_id": "another"}}
    with pytest.raises(MalformedResponseError, match="another"):
        api.get_campaign(ID).parse(other)


def test_a_submission_with_an_id_and_an_error_is_in_doubt() -> None:
    with pytest.raises(MalformedResponseError, match="both"):
        api.send_campaign("<p>", "n").parse({"campaign": {"id": ID}, "error": "some links were not scanned"})


@pytest.mark.parametrize("answer", [{}, {"campaign": {}}, {"campaign": None}, {"campaign": []}, {"other": 1}])
def test_get_campaign_without_a_campaign_is_malformed(answer: dict) -> None:
    with pytest.raises(MalformedResponseError):
        api.get_campaign(ID).parse(answer)


def test_a_list_is_read_and_a_missing_one_is_empty() -> None:
    assert api.get_campaign_list().parse({"campaign_list": [FIELDS, {"id": "no status"}, 5]}) == [READ]
    assert api.get_campaign_list().parse({"campaign_list": FIELDS}) == [READ]
    assert api.get_campaign_list().parse({}) == []
    with pytest.raises(MalformedResponseError):
        api.get_campaign_list().parse({"campaign_list": "none"})


@pytest.mark.parametrize(
    "answer", [{"credits": 987}, {"Credits": 987}, {"credits": "987"}, {"credits": 987.0}]
)
def test_credits_are_a_number_in_any_dress(answer: dict) -> None:
    assert api.get_credits().parse(answer) == 987


@pytest.mark.parametrize("answer", [{}, {"credits": None}, {"credits": "many"}, {"credits": float("nan")}])
def test_credits_that_are_no_number_are_malformed(answer: dict) -> None:
    with pytest.raises(MalformedResponseError):
        api.get_credits().parse(answer)


def test_a_submission_gives_the_id() -> None:
    assert api.send_campaign("<p>", "n").parse({"campaign": {"id": ID, "more": 1}}) == ID
    assert api.send_campaign("<p>", "n").parse({"campaign": {"id": 17}}) == "17"


@pytest.mark.parametrize(
    "answer", [{}, {"campaign": {}}, {"campaign": {"id": None}}, {"campaign": {"id": ""}}, {"id": ID}]
)
def test_a_submission_without_an_id_is_malformed(answer: dict) -> None:
    with pytest.raises(MalformedResponseError):
        api.send_campaign("<p>", "n").parse(answer)


@pytest.mark.parametrize("bad", ["", " ", None, 17, "None", "null", "a b", "a\nb", "a" * 201, "ü"])
def test_what_cannot_be_an_id_is_refused(bad: Any) -> None:
    for build in (api.get_campaign_status, api.get_campaign):
        with pytest.raises(ValueError, match="campaign_id"):
            build(bad)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"campaign_html": " "}, "campaign_html"),
        ({"campaign_name": ""}, "campaign_name"),
        ({"custom_info": "x" * 501}, "custom_info"),
        ({"webhook_url": "example.org/hook"}, "webhook_url"),
        ({"settings": {"campaign_html": "<p>"}}, "settings"),
    ],
)
def test_a_submission_that_cannot_be_sent_is_refused(arguments: dict, named: str) -> None:
    with pytest.raises(ValueError, match=named):
        api.send_campaign(**{"campaign_html": "<p>", "campaign_name": "n", **arguments})

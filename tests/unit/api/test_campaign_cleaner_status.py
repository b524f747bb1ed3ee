"""Campaign Cleaner: where a response may hold a status or a list, and which one is refused."""

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
STATUS = CampaignStatus(
    ID, "completed", "Test Campaign 1", datetime(2023, 2, 23, 17, 2, 46, tzinfo=timezone.utc)
)


class TestStatus:
    @pytest.mark.parametrize(
        "response",
        [
            {"campaign_status": FIELDS},
            {"campaign_list": FIELDS},
            {"campaign_list": [{"id": "other", "status": "paused"}, FIELDS]},
            {"campaign": FIELDS},
            FIELDS,
            {"campaign_status": FIELDS, "campaign_list": {**FIELDS, "status": "paused"}},
            {"campaign_status": None, "campaign": FIELDS},
            {"campaign_status": FIELDS, "error": ""},
            {"campaign_status": FIELDS, "Error": None},
            {"campaign_status": {**FIELDS, "status": " Completed "}},
            {"campaign_status": {**FIELDS, "id": ID.upper()}},
        ],
    )
    def test_is_found_in_every_known_place(self, response: dict) -> None:
        status = api.get_campaign_status(ID).parse(response)
        assert status.state is CampaignState.COMPLETED
        assert status.id.lower() == STATUS.id
        assert (status.campaign_name, status.date_added) == (STATUS.campaign_name, STATUS.date_added)

    def test_without_an_id_is_of_the_requested_campaign(self) -> None:
        response = {"campaign_status": {"status": "paused"}}
        assert api.get_campaign_status(ID).parse(response) == CampaignStatus(ID, "paused")

    def test_unknown_state_is_kept(self) -> None:
        status = api.get_campaign_status(ID).parse({"campaign_status": {**FIELDS, "status": "Failed"}})
        assert (status.status, status.state) == ("failed", None)

    def test_unknown_fields_are_kept_in_raw(self) -> None:
        item = {**FIELDS, "eta": [1, {"unit": "s"}]}
        assert api.get_campaign_status(ID).parse({"campaign_status": item}).raw == item
        assert api.get_campaign_list().parse({"campaign_list": [item]})[0].raw == item

    @pytest.mark.parametrize(
        "response",
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
    def test_missing_or_of_another_campaign_is_malformed(self, response: Any) -> None:
        with pytest.raises(MalformedResponseError):
            api.get_campaign_status(ID).parse(response)


def test_list_is_parsed_and_a_missing_one_is_empty() -> None:
    assert api.get_campaign_list().parse({"campaign_list": [FIELDS, {"id": "no status"}, 5]}) == [STATUS]
    assert api.get_campaign_list().parse({"campaign_list": FIELDS}) == [STATUS]
    assert api.get_campaign_list().parse({}) == []
    with pytest.raises(MalformedResponseError):
        api.get_campaign_list().parse({"campaign_list": "none"})


class TestFindCampaign:
    @pytest.mark.parametrize("response", [{}, {"campaign_list": None}, {"campaign_list": {}}])
    def test_response_without_a_list_is_malformed(self, response: dict) -> None:
        """An empty list would make the caller submit the campaign again."""
        for call in (api.find_campaign("af-1"), api.get_campaign_ids(), api.get_campaign_states()):
            with pytest.raises(MalformedResponseError, match="not a list"):
                call.parse(response)

    def test_found_campaign_without_an_id_is_malformed(self) -> None:
        listed = {"campaign_list": [{"campaign_name": "Spring af-1", "id": "a b"}]}
        with pytest.raises(MalformedResponseError, match="no id"):
            api.find_campaign("AF-1").parse(listed)
        assert api.find_campaign("AF-2").parse(listed) is None


class TestErrorIn200:
    @pytest.mark.parametrize(
        ("response", "message"),
        [
            ({"error": "No credits left"}, "No credits left"),
            ({"Error": "bad key"}, "bad key"),
            ({"ERROR": "x", "campaign_status": FIELDS}, "x"),
            ({"error": {"message": "deep"}}, "deep"),
            ({"error": {"detail": "deeper"}}, "deeper"),
            ({"error": ["a list"]}, r"\['a list'\]"),
            ({"error": True, "message": "elsewhere"}, "elsewhere"),
            ({"error": 17}, "17"),
        ],
    )
    def test_every_spelling_is_a_rejection(self, response: dict, message: str) -> None:
        with pytest.raises(RejectedError, match=f": {message}$"):
            api.get_campaign_status(ID).parse(response)

    @pytest.mark.parametrize(
        "call",
        [api.get_campaign(ID), api.get_credits(), api.get_campaign_list(), api.send_campaign("<p>", "n")],
    )
    def test_every_call_is_rejected(self, call: Any) -> None:
        with pytest.raises(RejectedError, match=r": No credits left$"):
            call.parse({"error": "No credits left", "credits": 5, "campaign_list": [FIELDS]})


@pytest.mark.parametrize(
    "invalid", ["", " ", None, 17, "None", "null", "a b", "a\nb", "../x\n", "a" * 201, "ü"]
)
def test_invalid_id_is_refused(invalid: Any) -> None:
    with pytest.raises(ValueError, match="campaign_id"):
        api.get_campaign_status(invalid)


@pytest.mark.parametrize(
    ("build", "argument"),
    [
        (api.get_campaign, "campaign_id"),
        (api.get_campaign_pdf_analysis, "campaign_id"),
        (api.delete_campaign, "campaign_id"),
        (api.get_inbox_test_results, "job_id"),
    ],
)
def test_every_call_checks_its_id(build: Any, argument: str) -> None:
    with pytest.raises(ValueError, match=argument):
        build("a\r\nX-Evil: 1")

"""Instantly: leads are checked before they are sent, and the result of a batch is counted."""

from __future__ import annotations

import uuid
from datetime import date, datetime, timezone
from decimal import Decimal
from typing import Any

import pytest

from airflow_provider_campaigns.api import instantly as api
from airflow_provider_campaigns.api.instantly import JobStatus
from airflow_provider_campaigns.exceptions import MalformedResponseError

ID = "019e18e2-a52f-78e7-96f2-b33ee19bb50a"
OTHER = "019e18e2-9617-78c8-b2bf-2f764ab33d2b"
LEAD = "019e18e2-1111-7000-8000-000000000001"
JOB = "675266e304a8e55b17f0228b"


class TestBatch:
    @pytest.mark.parametrize(
        ("leads", "message"),
        [
            ([], "1 to 1,000"),
            ([{"email": "a@b.c"}] * 1001, "1 to 1,000"),
            ([{"email": "a@b.c"}, {"first_name": "Ada"}], r"leads\[1\]"),
            ([{"email": "invalid"}], r"leads\[0\]"),
            (["a@b.c"], r"leads\[0\]"),
        ],
    )
    def test_invalid_batch_is_refused(self, leads: Any, message: str) -> None:
        with pytest.raises(ValueError, match=message):
            api.add_leads(ID, leads)

    def test_counts_of_the_response_are_read(self) -> None:
        added = api.add_leads(ID, [{"email": "a@b.c"}]).parse(
            {
                "status": "success",
                "total_sent": 10,
                "leads_uploaded": 7,
                "duplicated_leads": 1,
                "remaining_in_plan": None,
                "created_leads": [{"index": 0, "id": ID, "email": "a@b.c"}],
            }
        )
        assert (added.total_sent, added.leads_uploaded, added.duplicated_leads) == (10, 7, 1)
        assert (added.skipped_count, added.remaining_in_plan, len(added.created_leads)) == (0, None, 1)
        with pytest.raises(MalformedResponseError):
            api.add_leads(ID, [{"email": "a@b.c"}]).parse({"status": "success"})


class TestLead:
    @pytest.mark.parametrize(
        ("lead", "message"),
        [
            ("a@b.c", "rows.csv, line 3 must be a mapping with an 'email', got str"),
            ({"email": " "}, "rows.csv, line 3 has no e-mail address"),
            ({"email": None}, "rows.csv, line 3 has no e-mail address"),
            ({"email": "a@b.c", "custom_variables": ["x"]},
             "rows.csv, line 3: custom_variables must be a mapping"),
            ({"email": "a@b.c", "custom_variables": {"x": [1]}},
             r"line 3: custom_variables\['x'\] must be a string.* got list"),
            ({"email": "a@b.c", "custom_variables": {"x": Decimal("NaN")}},
             r"cannot be sent as JSON: custom_variables\['x'\]"),
            ({"email": "a@b.c", "phone": Decimal(5)}, "line 3: phone must be a string"),
            ({"email": "a@b.c", "since": datetime(2026, 5, 11, tzinfo=timezone.utc)},
             "rows.csv, line 3: 'since' is not a field of a lead"),
            ({"email": "a@b.c", "lt_interest_status": float("inf")},
             "rows.csv, line 3 cannot be sent as JSON"),
        ],
    )  # fmt: skip
    def test_invalid_lead_is_refused_with_its_place(self, lead: Any, message: str) -> None:
        with pytest.raises(ValueError, match=message):
            api.check_lead(lead, "rows.csv, line 3")

    def test_values_of_a_database_are_those_of_json(self) -> None:
        given = {"email": "a@b.c", "assigned_to": uuid.UUID(ID), "lt_interest_status": Decimal(1)}
        variables = {"price": Decimal("19.90"), "since": date(2026, 5, 11), "id": uuid.UUID(ID)}
        assert api.check_lead({**given, "custom_variables": variables}, "leads[0]") == {
            "email": "a@b.c",
            "assigned_to": ID,
            "lt_interest_status": 1,
            "custom_variables": {"price": "19.90", "since": "2026-05-11", "id": ID},
        }

    def test_valid_lead_is_returned_as_a_copy(self) -> None:
        given = {"email": "a@b.c", "custom_variables": {"s": "x", "n": 1.5, "b": True, "none": None}}
        lead = api.check_lead(given, "leads[0]")
        assert lead == given
        assert lead is not given


def test_filter_that_the_vendor_ignores_is_refused() -> None:
    with pytest.raises(ValueError, match="use campaign, one id"):
        api.list_leads(campaign_ids=[ID])


class TestMove:
    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({}, "to_campaign_id"),
            ({"campaign": ID}, "to_campaign_id"),
            ({"to_campaign_id": None}, "to_campaign_id"),
            ({"to_campaign_id": ID, "to_list_id": OTHER}, "either to a campaign"),
            ({"to_list_id": OTHER, "ids": [LEAD]}, "ids need the campaign or the list_id"),
            ({"to_list_id": OTHER, "ids": [LEAD], "campaign": None}, "ids need the campaign or the list_id"),
            ({"to_list_id": OTHER, "campaign_ids": [ID]}, "campaign_ids is not a filter"),
            ({"to_list_id": OTHER, "campaign": ID, "ids": []}, "ids is empty"),
            ({"to_list_id": OTHER, "campaign": ID, "contacts": ()}, "contacts is empty"),
            ({"to_list_id": OTHER, "campaign": ""}, "campaign is empty"),
            ({"to_list_id": OTHER}, "Select the leads to move"),
        ],
    )
    def test_options_that_could_move_other_leads_are_refused(self, options: dict, message: str) -> None:
        with pytest.raises(ValueError, match=message):
            api.move_leads(**options)

    @pytest.mark.parametrize("job", [{}, {"id": JOB}, {"status": "pending"}, {"id": 7, "status": "pending"}])
    def test_response_without_a_job_is_malformed(self, job: dict) -> None:
        with pytest.raises(MalformedResponseError, match="no background job"):
            api.move_leads(campaign=ID, to_list_id=OTHER).parse(job)


@pytest.mark.parametrize("status", JobStatus)
def test_every_status_of_a_background_job_is_read(status: JobStatus) -> None:
    response = {"id": JOB, "status": status.value, "progress": "40%", "data": None, "type": None}
    job = api.get_background_job(JOB).parse(response)
    assert JobStatus(job.status) is status
    assert (job.progress, job.data, job.type) == (40, {}, None)


@pytest.mark.parametrize(
    "response", [{}, {"success_list": []}, {"failure_list": []}, {"success_list": {}, "failure_list": []}]
)
def test_account_vitals_without_lists_are_malformed(response: dict) -> None:
    with pytest.raises(MalformedResponseError, match="no success_list or no failure_list"):
        api.check_account_vitals(["ada@sender.test"]).parse(response)


@pytest.mark.parametrize("response", [{}, {"items": None}, {"items": {"n": 1}}, {"data": []}])
@pytest.mark.parametrize("build", [api.list_campaigns, api.list_leads])
def test_page_without_items_is_malformed(build: Any, response: dict) -> None:
    with pytest.raises(MalformedResponseError, match="no items"):
        build().parse(response)

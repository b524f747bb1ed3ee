"""Instantly: arguments that no request may contain are refused before it is sent."""

from __future__ import annotations

import json
import uuid
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from airflow_provider_campaigns.api import instantly as api
from airflow_provider_campaigns.api.field_types import FieldType
from airflow_provider_campaigns.api.instantly import LifecycleStatus
from airflow_provider_campaigns.sandbox.seed import ALWAYS
from tests.support import openapi

STRING, FLAG, INTEGER, NUMBER = FieldType
ID = "019e18e2-a52f-78e7-96f2-b33ee19bb50a"
JOB = "675266e304a8e55b17f0228b"


class TestUuid:
    def test_uuid_object_is_accepted(self) -> None:
        assert api.get_campaign(uuid.UUID(ID)).path == f"/api/v2/campaigns/{ID}"  # type: ignore[arg-type]

    @pytest.mark.parametrize(
        "invalid",
        [
            "", None, "None", 7, "..", f"{ID}/activate", f"../{ID}", f"{ID}?x=1", f"{ID}#",
            f"{ID}\r\nX-Evil: 1", f"{ID}\n", f"%2e%2e/{ID}", f"{ID} ", ID.replace("-", ""), JOB,
        ],
    )  # fmt: skip
    def test_other_value_is_refused(self, invalid: Any) -> None:
        with pytest.raises(ValueError, match="campaign_id must be a UUID"):
            api.get_campaign(invalid)

    @pytest.mark.parametrize(
        ("argument", "build"),
        [
            ("campaign_id", api.get_sending_status),
            ("campaign_id", api.delete_campaign),
            ("campaign_id", api.duplicate_campaign),
            ("campaign_id", api.activate_campaign),
            ("campaign_id", api.pause_campaign),
            ("campaign_id", lambda invalid: api.update_campaign(invalid, name="N")),
            ("campaign_id", lambda invalid: api.add_leads(invalid, [{"email": "a@b.c"}])),
            ("subsequence_id", api.get_subsequence_sending_status),
            ("subsequence_id", api.get_subsequence),
            ("subsequence_id", api.pause_subsequence),
            ("subsequence_id", api.resume_subsequence),
        ],
    )
    def test_every_call_checks_its_id(self, argument: str, build: Any) -> None:
        with pytest.raises(ValueError, match=f"{argument} must be a UUID"):
            build(f"../{ID}")


class TestJobId:
    @pytest.mark.parametrize("job_id", [JOB, ID, "7", "a_b-C", "0" * 200])
    def test_is_not_necessarily_a_uuid(self, job_id: str) -> None:
        assert api.get_background_job(job_id).path == f"/api/v2/background-jobs/{job_id}"

    @pytest.mark.parametrize(
        "invalid",
        [
            "",
            None,
            7,
            "None",
            "null",
            "..",
            ".",
            "a/b",
            "a?b",
            "a#b",
            "a\nb",
            "a b",
            "%2e%2e",
            "ü",
            "0" * 201,
        ],
    )
    def test_other_value_is_refused(self, invalid: Any) -> None:
        with pytest.raises(ValueError, match="job_id must be an id"):
            api.get_background_job(invalid)


class TestEmail:
    @pytest.mark.parametrize(
        ("email", "path"),
        [
            ("ada@sender.test", "ada@sender.test"),
            ("o'neil%2F..@x.test", "o%27neil%252F..@x.test"),
            ("zoë&co;a=b@exämple.test", "zo%C3%AB%26co%3Ba%3Db@ex%C3%A4mple.test"),
            ('"a:b"@x.test', "%22a%3Ab%22@x.test"),
        ],
    )
    def test_address_stays_one_segment_of_the_path(self, email: str, path: str) -> None:
        assert api.get_account(email).target == f"/api/v2/accounts/{path}"

    @pytest.mark.parametrize(
        "invalid",
        [
            "", None, 7, "ada", "@sender.test", "ada@", "a@b@c", "a/b@c.d", "a@c.d/warmup", "a@c.d?x=1",
            "a@c.d#x", "a@c.d\r\nX-Evil: 1", "a b@c.d", "a\\b@c.d", "../x@c.d", ["a@b.c"],
        ],
    )  # fmt: skip
    def test_other_value_is_refused(self, invalid: Any) -> None:
        with pytest.raises(ValueError, match="not a valid e-mail address"):
            api.get_account(invalid)
        with pytest.raises(ValueError, match="not a valid e-mail address"):
            api.check_account_vitals(["ada@sender.test", invalid])

    @pytest.mark.parametrize("emails", [[], "ada@sender.test"])
    def test_check_needs_a_list_of_addresses(self, emails: Any) -> None:
        with pytest.raises(ValueError, match="address"):
            api.check_account_vitals(emails)


class TestPageLimit:
    @pytest.mark.parametrize("limit", [0, -1, 101, 1000, "all", True, 2.5])
    def test_other_than_1_to_100_is_refused(self, limit: Any) -> None:
        with pytest.raises(ValueError, match="limit must be 1 to 100"):
            api.list_campaigns(limit=limit)

    @pytest.mark.parametrize("build", [api.list_subsequences, api.list_accounts, api.list_leads])
    def test_every_list_checks_it(self, build: Any) -> None:
        with pytest.raises(ValueError, match="limit must be 1 to 100"):
            build(limit=101)


class TestRawRequest:
    @pytest.mark.parametrize(
        "path",
        [
            "accounts", "", "//evil.example", "/../../v1", "/a/%2e%2E/b", "/a?b=c", "/a#b", "/a b",
            "/a\r\nHost: x", "/a\\b",
        ],
    )  # fmt: skip
    def test_path_outside_the_api_is_refused(self, path: str) -> None:
        with pytest.raises(ValueError, match="path"):
            api.request("GET", path)

    @pytest.mark.parametrize("method", ["", "TRACE", "GET /x"])
    def test_unknown_method_is_refused(self, method: str) -> None:
        with pytest.raises(ValueError, match="method"):
            api.request(method, "/x")


class TestCampaignFields:
    @pytest.mark.parametrize(
        ("arguments", "named"),
        [
            ({"name": " "}, "name"),
            ({"name": None}, "name"),
            ({"campaign_schedule": {}}, "schedules"),
            ({"campaign_schedule": {"schedules": []}}, "schedules"),
            ({"campaign_schedule": "always"}, "schedules"),
        ],
    )
    def test_campaign_without_name_or_schedule_is_refused(self, arguments: dict, named: str) -> None:
        with pytest.raises(ValueError, match=named):
            api.create_campaign(**{"name": "N", "campaign_schedule": ALWAYS, **arguments})

    @pytest.mark.parametrize(
        ("field", "given", "sent"),
        [
            ("daily_limit", "50", 50),
            ("daily_limit", Decimal("50"), 50),
            ("email_gap", " 2.5 ", 2.5),
            ("daily_max_leads", 20.0, 20),
            ("open_tracking", "false", False),
            ("text_only", " True ", True),
            ("email_list", '["a@b.com"]', ["a@b.com"]),
            ("email_list", "['a@b.com']", ["a@b.com"]),
            ("email_list", ("a@b.com",), ["a@b.com"]),
            ("cc_list", {"d@e.f", "a@b.c"}, ["a@b.c", "d@e.f"]),
            ("email_tag_list", [uuid.UUID(ID)], [ID]),
            ("owned_by", uuid.UUID(ID), ID),
            ("name", "50", "50"),
            ("campaign_schedule", {"start_date": date(2026, 11, 30)}, {"start_date": "2026-11-30"}),
            (
                "campaign_schedule",
                {"schedules": [{"days": {1: "True"}, "timing": {"from": "09:00"}}]},
                {"schedules": [{"days": {"1": True}, "timing": {"from": "09:00"}}]},
            ),
            ("limit_emails_per_company_override", {"daily_limit": "5"}, {"daily_limit": 5}),
            ("provider_routing_rules", [{"sender_esp": "['all']"}], [{"sender_esp": ["all"]}]),
            ("cc_list", [], []),
            ("more", {"campaign_schedule": {"new_one": "1"}}, {"new_one": "1"}),
            ("campaign_schedule", '{"start_date": null}', {"start_date": None}),
            ("provider_routing_rules", [{"action": "send"}], [{"action": "send"}]),
            ("daily_limit", None, None),
        ],
    )
    def test_field_is_sent_in_its_documented_type(self, field: str, given: Any, sent: Any) -> None:
        body = api.update_campaign(ID, **{field: given}).body
        name = "campaign_schedule" if field == "more" else field
        assert json.dumps(body) == json.dumps({name: sent})

    @pytest.mark.parametrize(
        ("field", "given", "wanted"),
        [
            ("daily_limit", "many", "a number"),
            ("daily_limit", "1e999", "a number"),
            ("daily_limit", True, "a number"),
            ("daily_limit", "", "a number"),
            ("daily_limit", ["50"], "a number"),
            ("daily_max_leads", 2.5, "an integer"),
            ("daily_max_leads", "-1", "an integer"),
            ("text_only", "yes", "True or False"),
            ("text_only", 1, "True or False"),
            ("email_list", "a@b.com", "a list of strings"),
            ("email_list", [{}], r"\[0\] must be a string"),
            ("campaign_schedule", "daily", "a mapping"),
            ("campaign_schedule", {}, "a mapping that is not empty"),
            ("email_list", ["a@b.c", ""], r"\[1\] must be a string that is not empty"),
            ("email_list", ["None"], r"\[0\] must be a string that is not empty"),
            ("email_list", None, "a list of strings"),
            ("name", " ", "a string that is not empty"),
            ("name", None, "a string that is not empty"),
            ("daily_limit", -5, "a number, 0 or more"),
            (
                "campaign_schedule",
                {"schedules": [{"days": {"1": "yes"}}]},
                r"\['schedules'\]\[0\]\['days'\]\['1'\] must be True or False",
            ),
            ("limit_emails_per_company_override", {"dayly_limit": 5}, "Did you mean 'daily_limit'"),
            ("sequences", {}, "a list of mappings"),
            ("name", 2026, "a string"),
            ("name", b"N", "sent as JSON: bytes is not a JSON type"),
        ],
    )
    def test_field_of_another_type_is_refused(self, field: str, given: Any, wanted: str) -> None:
        with pytest.raises(ValueError, match=rf"^fields\['{field}'\].*{wanted}"):
            api.update_campaign(ID, **{field: given})

    @openapi.needs_description
    def test_types_are_those_of_the_vendor(self) -> None:
        body = openapi.description()["paths"]["/api/v2/campaigns"]["post"]["requestBody"]
        documented = body["content"]["application/json"]["schema"]["properties"]
        types = {"string": STRING, "boolean": FLAG, "integer": INTEGER, "number": NUMBER}

        def type_of(schema: Any) -> Any:
            if "properties" in schema:
                return {name: type_of(each) for name, each in schema["properties"].items()}
            (name,) = {schema["type"]} if isinstance(schema["type"], str) else set(schema["type"]) - {"null"}
            return [type_of(schema["items"])] if name == "array" else types[name]

        found = {name: type_of(schema) for name, schema in documented.items()}
        assert {**found, "sequences": [{}]} == api.CAMPAIGN_FIELDS
        for name, schema in documented.items():
            if "null" in schema["type"]:
                api.update_campaign(ID, **{name: None})
            else:
                with pytest.raises(ValueError, match=f"'{name}'"):
                    api.update_campaign(ID, **{name: None})

    def test_update_without_a_field_is_refused(self) -> None:
        with pytest.raises(ValueError, match="at least one field"):
            api.update_campaign(ID)


@pytest.mark.parametrize(
    ("status", "name"),
    [(1, "active (1)"), (-99, "account suspended (-99)"), (7, "unknown (7)"), ("1", "unknown ('1')")],
)
def test_lifecycle_status_has_a_name(status: Any, name: str) -> None:
    assert LifecycleStatus.name_of(status) == name


class TestNames:
    """A service ignores a misspelt name without an error."""

    @pytest.mark.parametrize(
        ("build", "given", "nearest"),
        [
            (api.list_campaigns, "serach", "search"),
            (api.list_accounts, "provider_cod", "provider_code"),
            (api.list_subsequences, "parent_campain", "parent_campaign"),
            (api.get_campaign_analytics, "start_dat", "start_date"),
            (api.get_campaign_analytics_overview, "end_dat", "end_date"),
            (api.get_daily_campaign_analytics, "campaign_ids", "campaign_id"),
            (api.get_campaign_steps_analytics, "campaing_id", "campaign_id"),
            (lambda **fields: api.update_campaign(ID, **fields), "daily_limits", "daily_limit"),
            (
                lambda **fields: api.create_campaign("N", {"schedules": [{}]}, **fields),
                "email_lists",
                "email_list",
            ),
        ],
    )
    def test_unknown_name_is_refused_with_the_nearest(self, build: Any, given: str, nearest: str) -> None:
        with pytest.raises(ValueError, match=f"unknown option '{given}'. Did you mean '{nearest}'"):
            build(**{given: "x"})

    def test_more_passes_an_undocumented_name(self) -> None:
        assert api.update_campaign(ID, name="N", more={"new_one": 1}).body == {"name": "N", "new_one": 1}

    @pytest.mark.parametrize("more", [{"name": "M"}, ["new_one"], "new_one"])
    def test_more_that_is_not_valid_is_refused(self, more: Any) -> None:
        with pytest.raises(ValueError, match="more"):
            api.update_campaign(ID, name="N", more=more)

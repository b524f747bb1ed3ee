"""Campaign Cleaner: submit, get and delete a campaign, its PDF, and the credits of the account."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from typing import Any

import pytest

from airflow_provider_campaigns.api import campaign_cleaner as api
from airflow_provider_campaigns.api.response import Response, parse_response
from airflow_provider_campaigns.exceptions import MalformedResponseError, RejectedError

ID = "e8c8af95-c033-11ed-9848-003048d8d536"
PDF = b"%PDF-1.4\n\xff\x00 stays as it is\r\n%%EOF\n"
NOW = datetime(2026, 5, 11, tzinfo=timezone.utc)


class TestSubmission:
    def test_gives_the_id(self) -> None:
        assert api.send_campaign("<p>", "n").parse({"campaign": {"id": ID, "more": 1}}) == ID
        assert api.send_campaign("<p>", "n").parse({"campaign": {"id": 17}}) == "17"

    @pytest.mark.parametrize(
        "response", [{}, {"campaign": {}}, {"campaign": {"id": None}}, {"campaign": {"id": ""}}, {"id": ID}]
    )
    def test_without_an_id_is_malformed(self, response: dict) -> None:
        with pytest.raises(MalformedResponseError):
            api.send_campaign("<p>", "n").parse(response)

    def test_with_an_id_and_an_error_is_malformed(self) -> None:
        response = {"campaign": {"id": ID}, "error": "some links were not scanned"}
        with pytest.raises(MalformedResponseError, match="both"):
            api.send_campaign("<p>", "n").parse(response)

    @pytest.mark.parametrize(
        ("arguments", "named"),
        [
            ({"campaign_html": " "}, "campaign_html"),
            ({"campaign_html": "newsletter.html"}, "no HTML tag"),
            ({"webhook_url": "//a.example/?sig=s"}, "absolute URL"),
            ({"campaign_name": ""}, "campaign_name"),
            ({"custom_info": "x" * 501}, "custom_info"),
            ({"webhook_url": "example.org/hook"}, "webhook_url"),
            ({"settings": {"campaign_html": "<p>"}}, "settings"),
        ],
    )
    def test_invalid_argument_is_refused(self, arguments: dict, named: str) -> None:
        with pytest.raises(ValueError, match=named):
            api.send_campaign(**{"campaign_html": "<p>", "campaign_name": "n", **arguments})


class TestCampaign:
    def test_html_is_parted_from_the_analysis(self) -> None:
        campaign = api.get_campaign(ID).parse({"campaign": {"campaign_html": "<p>", "broken_links": 0}})
        assert (campaign.id, campaign.html, campaign.analysis) == (ID, "<p>", {"broken_links": 0})
        assert api.get_campaign(ID).parse({"campaign_html": "<p>"}).html == "<p>"
        assert api.get_campaign(ID).parse({"campaign": {"broken_links": 0}}).html is None

    def test_another_campaign_is_malformed(self) -> None:
        other = {"campaign": {"campaign_html": "<p>", "campaign_id": "another"}}
        with pytest.raises(MalformedResponseError, match="another"):
            api.get_campaign(ID).parse(other)

    @pytest.mark.parametrize(
        "response", [{}, {"campaign": {}}, {"campaign": None}, {"campaign": []}, {"other": 1}]
    )
    def test_missing_campaign_is_malformed(self, response: dict) -> None:
        with pytest.raises(MalformedResponseError):
            api.get_campaign(ID).parse(response)


class TestDelete:
    @pytest.mark.parametrize(
        ("response", "message"),
        [
            ({"status": "failure", "error": "No such campaign."}, "No such campaign"),
            ({"status": "Failure", "message": "It is being processed"}, "It is being processed"),
            ({"status": "failure"}, "failure"),
            ({"status": "failure", "error": ""}, "failure"),
            ({"status": "queued"}, "queued"),
        ],
    )
    def test_other_status_is_a_rejection(self, response: dict, message: str) -> None:
        with pytest.raises(RejectedError, match=message):
            api.delete_campaign(ID).parse(response)

    @pytest.mark.parametrize("response", [{}, {"status": None}, {"status": True}, {"deleted": ID}, []])
    def test_missing_status_is_malformed(self, response: Any) -> None:
        with pytest.raises(MalformedResponseError):
            api.delete_campaign(ID).parse(response)

    def test_success_in_any_case_is_success(self) -> None:
        assert api.delete_campaign(ID).parse({"status": " Success ", "error": None}) is None


class TestCredits:
    @pytest.mark.parametrize(
        "response", [{"credits": 987}, {"Credits": 987}, {"credits": "987"}, {"credits": 987.0}]
    )
    def test_number_in_any_form_is_read(self, response: dict) -> None:
        assert api.get_credits().parse(response) == 987

    @pytest.mark.parametrize(
        "response", [{}, {"credits": None}, {"credits": "many"}, {"credits": float("nan")}]
    )
    def test_other_value_is_malformed(self, response: dict) -> None:
        with pytest.raises(MalformedResponseError):
            api.get_credits().parse(response)


class TestPdf:
    def result(self, body: Any, content_type: str = "application/pdf") -> bytes:
        encoded = body if isinstance(body, bytes) else json.dumps(body).encode()
        response = Response(200, {"content-type": content_type}, encoded)
        return parse_response(api.get_campaign_pdf_analysis(ID), response, now=NOW)

    @pytest.mark.parametrize(
        ("body", "content_type"),
        [
            (PDF, "Application/PDF; charset=binary"),
            (PDF, "application/x-pdf"),
            (b"\r\n" + PDF, "application/pdf"),
        ],
    )
    def test_is_returned_byte_for_byte(self, body: bytes, content_type: str) -> None:
        assert self.result(body, content_type) == body

    @pytest.mark.parametrize(
        ("body", "content_type"),
        [
            (PDF, "text/html"),
            (PDF, "application/json"),
            (PDF, ""),
            (b"<html>%PDF-", "application/pdf"),
            (b"%PD", "application/pdf"),
            (b"", "application/pdf"),
            ("JVBERi0xLjQK", "application/pdf"),
            ({"status": "processing"}, "application/json"),
            ([{"error": "in a list"}], "application/json"),
        ],
    )
    def test_other_type_or_first_bytes_are_malformed(self, body: Any, content_type: str) -> None:
        with pytest.raises(MalformedResponseError, match=r"not a PDF\. Is the campaign completed"):
            self.result(body, content_type)

    @pytest.mark.parametrize("content_type", ["application/json", "application/pdf", "text/plain"])
    @pytest.mark.parametrize("field", ["error", "Error"])
    def test_error_of_any_content_type_is_a_rejection(self, content_type: str, field: str) -> None:
        with pytest.raises(RejectedError, match="not completed yet"):
            self.result({field: "not completed yet"}, content_type)

    def test_limit_is_64_mib(self) -> None:
        assert api.get_campaign_pdf_analysis(ID).max_bytes == 64 * 1024 * 1024

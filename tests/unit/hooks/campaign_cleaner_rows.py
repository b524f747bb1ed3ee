"""Every call of Campaign Cleaner as a row: its request, and the value of the response."""

from __future__ import annotations

from datetime import datetime, timezone

from airflow_provider_campaigns.api.campaign_cleaner import (
    Campaign,
    CampaignStatus,
    InboxTest,
    InboxTestResults,
)
from tests.support.every_call import Row
from tests.support.fake_server import Reply

ID = "e8c8af95-c033-11ed-9848-003048d8d536"
HTML = "<p>Hi {{firstName}}, né \U0001f338</p>"
LISTED = {
    "id": ID,
    # JSON writes a character beyond 16 bits as a surrogate pair.
    "campaign_name": "Spring \U0001f338",
    "status": "completed",
    "date_added": "2023-02-23T12:02:46-05:00",
}
STATUS = CampaignStatus(
    ID, "completed", "Spring \U0001f338", datetime(2023, 2, 23, 17, 2, 46, tzinfo=timezone.utc)
)
ANALYSIS = {"campaign_id": ID, "broken_links": 1, "all_link_list": [{"link_url": "https://a.example"}]}
PDF = b"%PDF-1.4\n\xff\x00 stays as it is\r\n%%EOF\n"
SEEDS = {"job_id": "test-7", "send_to": ["a@seeds.test", "b@seeds.test"], "expires": "soon"}
RESULTS = {
    "job_id": "test-7",
    "test_name": "Spring",
    "submitted_by": "you@example.org",
    "status": "Processing",
    "summary": {
        "total_seeds": 10, "received": 4, "inbox": 3, "spam": 1, "unknown_placement": 0, "pending": 6,
        "inbox_rate": 30, "spam_rate": 10.5,
    },
    "results": [{"provider": "Gmail", "email_found": True, "placement": "Inbox"}],
}  # fmt: skip
PARSED_RESULTS = InboxTestResults(
    job_id="test-7",
    status="processing",
    test_name="Spring",
    total_seeds=10,
    received=4,
    inbox=3,
    spam=1,
    pending=6,
    unknown_placement=0,
    inbox_rate=30,
    spam_rate=10.5,
    results=({"provider": "Gmail", "email_found": True, "placement": "Inbox"},),
    raw=RESULTS,
)


ROWS = [
    Row(
        "send_campaign",
        {"campaign_html": HTML, "campaign_name": "Spring"},
        "POST",
        "/v1/send_campaign",
        {"campaign": {"id": ID, "status": "processing"}},
        ID,
        {"send_campaign": {"campaign_html": HTML, "campaign_name": "Spring"}},
        is_read=False,
    ),
    Row(
        "send_campaign",
        {
            "campaign_html": HTML,
            "campaign_name": "Spring",
            "custom_info": "run 7",
            "webhook_url": "https://example.org/hook?x=1",
            "settings": {"inline_css": False, "minify_html": None, "min_font_size_allowed": 9},
        },
        "POST",
        "/v1/send_campaign",
        {"campaign": {"id": ID}},
        ID,
        {
            "send_campaign": {
                "campaign_html": HTML,
                "campaign_name": "Spring",
                "custom_info": "run 7",
                "webhook_url": "https://example.org/hook?x=1",
                "inline_css": False,
                "min_font_size_allowed": 9,
            }
        },
        is_read=False,
    ),
    Row(
        "get_campaign_status",
        {"campaign_id": ID},
        "POST",
        "/v1/get_campaign_status",
        {"campaign_status": LISTED},
        STATUS,
        {"campaign": {"id": ID}},
    ),
    Row(
        "get_campaign",
        {"campaign_id": ID},
        "POST",
        "/v1/get_campaign",
        {"campaign": {**ANALYSIS, "campaign_html": HTML}},
        Campaign(ID, HTML, ANALYSIS),
        {"campaign": {"id": ID, "minimize_html": True}},
    ),
    Row(
        "get_campaign",
        {"campaign_id": ID, "minimize_html": False},
        "POST",
        "/v1/get_campaign",
        {"campaign": {**ANALYSIS, "campaign_html": HTML}},
        Campaign(ID, HTML, ANALYSIS),
        {"campaign": {"id": ID, "minimize_html": False}},
    ),
    Row("get_campaign_list", {}, "GET", "/v1/get_campaign_list", {"campaign_list": [LISTED]}, [STATUS]),
    Row(
        "get_campaign_list",
        {"may_be_missing": False},
        "GET",
        "/v1/get_campaign_list",
        {"campaign_list": [LISTED]},
        [STATUS],
    ),
    Row(
        "get_campaign_states",
        {},
        "GET",
        "/v1/get_campaign_list",
        {"campaign_list": [LISTED, {**LISTED, "id": "B-2", "status": " Paused "}]},
        {ID: CampaignStatus(ID, "completed"), "b-2": CampaignStatus("b-2", "paused")},
    ),
    Row(
        "find_campaign",
        {"word": "AF-1"},
        "GET",
        "/v1/get_campaign_list",
        {"campaign_list": [7, {"id": "A"}, {"id": "B", "campaign_name": "Spring af-1"}, LISTED]},
        "B",
    ),
    Row(
        "get_campaign_ids",
        {},
        "GET",
        "/v1/get_campaign_list",
        {"campaign_list": [7, {"id": "B-2", "status": None}, LISTED]},
        frozenset({"b-2", ID.lower()}),
    ),
    Row("get_credits", {}, "GET", "/v1/get_credits", {"credits": 987}, 987),
    Row(
        "get_campaign_pdf_analysis",
        {"campaign_id": ID},
        "POST",
        "/v1/get_campaign_pdf_analysis",
        Reply(PDF, headers={"Content-Type": "application/pdf"}),
        PDF,
        {"campaign": {"id": ID}},
        accept="application/pdf, application/json",
    ),
    Row(
        "delete_campaign",
        {"campaign_id": ID},
        "POST",
        "/v1/delete_campaign",
        {"status": "success"},
        None,
        {"campaign": {"id": ID}},
        is_read=False,
    ),
    Row(
        "create_inbox_test",
        {},
        "POST",
        "/v1/create_inbox_test",
        SEEDS,
        InboxTest("test-7", ("a@seeds.test", "b@seeds.test"), raw=SEEDS),
        {},
        is_read=False,
    ),
    Row(
        "create_inbox_test",
        {"test_name": "Spring", "providers": ["Gmail"], "region": None},
        "POST",
        "/v1/create_inbox_test",
        SEEDS,
        InboxTest("test-7", ("a@seeds.test", "b@seeds.test"), raw=SEEDS),
        {"test_name": "Spring", "providers": ["Gmail"]},
        is_read=False,
    ),
    Row(
        "get_inbox_test_results",
        {"job_id": "test-7"},
        "POST",
        "/v1/get_inbox_test_results",
        RESULTS,
        PARSED_RESULTS,
        {"job_id": "test-7"},
    ),
]
ONE_OF_EACH = {row.name: row for row in ROWS}

"""The habits of the services that users report: each changes what it says, and the operators cope with it."""

from __future__ import annotations

from typing import Any

import pytest
from airflow.providers.common.compat.sdk import literal

from airflow_provider_campaigns.exceptions import BlockedByProxyError, NotUpdatedError
from airflow_provider_campaigns.hooks.instantly import InstantlyHook
from airflow_provider_campaigns.operators.campaign_cleaner import CampaignCleanerGetCampaignOperator
from airflow_provider_campaigns.operators.campaign_cleaner.get_campaign import DamagedHtmlError
from airflow_provider_campaigns.operators.instantly import InstantlyUpdateCampaignOperator
from airflow_provider_campaigns.sandbox import DRAFT_CAMPAIGN_ID, HEALTHY_CAMPAIGN_ID, RunningSandbox
from airflow_provider_campaigns.sandbox.habits import HABITS, cleaned_html, stored_body, stored_fields
from airflow_provider_campaigns.sandbox.options import Options
from tests.support.fake_airflow import TaskRunner

from .conftest import Client

MAIL = """<!DOCTYPE html><html><head><title>Spring</title><style>@media print{b{color:red}}</style></head>
<body bgcolor='#FFF'><!-- preheader --><table width="600" class="a b"><tr>
<td style="margin:0 auto;color:#FFF; font-family:'Open Sans'">Hi {{firstName}},&nbsp;Q&amp;A
&copy; &quot;x&quot;
{% if city %}in {{city | default: "town"}}{% endif %}<br/><img src=a.png alt=""></td></tr></table>
<p>&nbsp;</p><a href="https://example.com/?a=1&amp;b={{id}}">Go</a> <a href="{unsubscribe_link}">bye</a>
<!--[if mso]><p>Outlook</p><![endif]--></body></html>
"""
SPELLINGS = ["nbsp_characters", "drop_loose_text", "reorder_styles", "other_quotes", "reorder_lists"]


class TestControl:
    def test_habits_are_set_by_name_and_listed(self, client: Client) -> None:
        assert client.control("POST", "/habits", ["strip_styles"]) == ["strip_styles"]
        assert client.control("GET", "/state")["habits"] == ["strip_styles"]
        listed = client.control("GET", "/habits")
        assert listed["strip_styles"] == {"on": True, "meaning": HABITS["strip_styles"]}
        assert [name for name, each in listed.items() if each["on"]] == ["strip_styles"]
        assert client.control("POST", "/habits", []) == []

    @pytest.mark.parametrize("body", [["strip_style"], "strip_styles", [1], {"strip_styles": True}, None])
    def test_unknown_habit_is_refused(self, client: Client, body: Any) -> None:
        response = client.call("POST", "/_sandbox/habits", body)
        assert (response.status_code, list(response.json())) == (400, ["error"])
        assert client.control("GET", "/state")["habits"] == []

    def test_reset_restores_the_habits_of_the_start(self, client: Client) -> None:
        client.control("POST", "/habits", ["edge_block"])
        assert client.control("POST", "/reset")["habits"] == []

    def test_unknown_habit_in_the_options_is_refused(self) -> None:
        with pytest.raises(ValueError, match=r"'edge' is not a habit \(known: nbsp_characters, "):
            Options(habits=("edge",))


class TestBodies:
    @pytest.mark.parametrize(
        ("habit", "body", "stored"),
        [
            ("nbsp_characters", "<p>a&nbsp;b &amp;</p>", "<p>a\xa0b &amp;</p>"),
            ("drop_loose_text", "Hi <p>a</p> you<br>&amp;<b>c</b>", "<p>a</p><br><b>c</b>"),
            ("reorder_styles", '<p style="b:c;a:d" class="x">', '<p style="a:d; b:c" class="x">'),
            ("strip_styles", '<p style="b:c" class="x">a</p>', '<p class="x">a</p>'),
            ("other_quotes", '<a href="/x" b>&quot;</a>', "<a href='/x' b>\"</a>"),
            ("empty_bodies", "<p>a</p>", ""),
            ("edge_block", MAIL, MAIL),
        ],
    )
    def test_each_habit_rewrites_what_it_names(self, habit: str, body: str, stored: str) -> None:
        assert stored_body(body, {habit}) == stored

    def test_other_fields_stay_but_for_the_order_of_lists(self) -> None:
        fields = {"email_list": ["a@b.c", "d@e.f"], "name": "x", "sequences": []}
        assert stored_fields(fields, {"reorder_lists"}) == {**fields, "email_list": ["d@e.f", "a@b.c"]}
        assert stored_fields(fields, {"strip_styles"}) == fields

    @pytest.mark.parametrize(
        ("habit", "html", "cleaned"),
        [
            ("encode_merge_tags", '<a href="{{u}}">{{u}}</a>', '<a href="%7B%7Bu%7D%7D">{{u}}</a>'),
            ("encode_merge_tags", "<a href='{u}'>", "<a href='%7Bu%7D'>"),
            ("encode_merge_tags", '<a href="*|U|*">', '<a href="*%7CU%7C*">'),
            ("drop_tag_comments", "<!-- a --><!-- *|IF:B|* -->c<!--{{d}}-->", "<!-- a -->c"),
            ("plain_nbsp", "a&nbsp;b\xa0c", "a b c"),
            ("empty_html", "<p>a</p>", "<html><head></head><body></body></html>"),
        ],
    )
    def test_each_habit_changes_cleaned_html(self, habit: str, html: str, cleaned: str) -> None:
        assert cleaned_html(html, {habit}) == cleaned


class TestServices:
    def test_instantly_stores_bodies_with_its_habits(self, client: Client) -> None:
        client.control("POST", "/habits", ["nbsp_characters", "reorder_lists"])
        step = {"type": "email", "delay": 0, "variants": [{"subject": "S", "body": "<p>a&nbsp;</p>"}]}
        changes = {"sequences": [{"steps": [step]}], "email_list": ["a@b.c", "d@e.f"]}
        for answered in (
            client.instantly("PATCH", f"/campaigns/{DRAFT_CAMPAIGN_ID}", changes),
            client.instantly("GET", f"/campaigns/{DRAFT_CAMPAIGN_ID}"),
        ):
            shown = answered.json()
            assert shown["sequences"][0]["steps"][0]["variants"][0]["body"] == "<p>a\xa0</p>"
            assert shown["email_list"] == ["d@e.f", "a@b.c"]

    def test_campaign_cleaner_returns_html_with_its_habits(self, client: Client, stopped_clock: Any) -> None:
        client.control("POST", "/habits", ["encode_merge_tags"])
        campaign_id = client.submit('<a href="{{u}}">a</a>')
        stopped_clock.advance(60)
        response = client.cleaner("get_campaign", {"campaign": {"id": campaign_id}})
        assert response.json()["campaign"]["campaign_html"] == '<a href="%7B%7Bu%7D%7D">a</a>'

    @pytest.mark.parametrize(
        ("habit", "status", "code"), [("edge_block", 403, 1010), ("edge_rate_limit", 429, 1015)]
    )
    def test_edge_answers_as_cloudflare(self, client: Client, habit: str, status: int, code: int) -> None:
        client.control("POST", "/habits", [habit])
        response = client.instantly("GET", "/campaigns")
        body = response.json()
        assert (response.status_code, body["status"], body["error_code"]) == (status, status, code)
        assert body["cloudflare_error"] is True
        assert body.get("retry_after") == (1 if code == 1015 else None)
        assert client.cleaner("get_credits").ok
        assert client.control("GET", "/requests")[0]["status"] == status

    def test_edge_limits_every_other_request(self, client: Client) -> None:
        client.control("POST", "/habits", ["edge_rate_limit"])
        statuses = [client.instantly("GET", "/campaigns").status_code for _ in range(4)]
        assert statuses == [429, 200, 429, 200]


def update(html: str = MAIL, **arguments: Any) -> Any:
    """Run an update as Airflow does."""
    task = InstantlyUpdateCampaignOperator(
        task_id="update", campaign_id=HEALTHY_CAMPAIGN_ID, html=literal(html), **arguments
    )
    task.render_template_fields({})
    return TaskRunner().run(task)


def patches(sandbox: RunningSandbox) -> int:
    return sum(request.method == "PATCH" for request in sandbox.state.requests)


class TestUpdateOperator:
    @pytest.mark.parametrize("habits", [[habit] for habit in SPELLINGS] + [SPELLINGS], ids="+".join)
    def test_rewritten_body_is_success_and_is_not_written_again(
        self, sandbox: RunningSandbox, habits: list[str]
    ) -> None:
        sandbox.state.habits = set(habits)
        fields = {"email_list": ["b@example.org", "a@example.org", "c@example.org"]}
        assert update(fields=fields)["updated"] == ["email_list", "sequences"]
        assert update(fields=fields)["updated"] == []
        assert patches(sandbox) == 1

    def test_stripped_styles_are_success_and_are_written_again(self, sandbox: RunningSandbox) -> None:
        sandbox.state.habits = {"strip_styles", *SPELLINGS}
        assert update()["updated"] == ["sequences"]
        assert update()["updated"] == ["sequences"]

    @pytest.mark.parametrize(
        ("habit", "html", "lost"),
        [
            ("empty_bodies", MAIL, r"step 1, variant A, body: lost the whole body \(it is empty now\)"),
            (
                "drop_loose_text",
                "Hi <p>you</p>",
                r"step 1, variant A, body: lost text 'Hi' \(Instantly drops",
            ),
            (
                "drop_loose_text",
                "{{firstName}}, <p>hi</p>",
                r"body: lost merge tag \{\{firstName}} \(in text\)",
            ),
        ],
    )
    def test_lost_content_fails_and_is_named(
        self, sandbox: RunningSandbox, habit: str, html: str, lost: str
    ) -> None:
        sandbox.state.habits = {habit}
        with pytest.raises(NotUpdatedError, match=lost):
            update(html)

    def test_block_at_the_edge_is_no_missing_permission(self, sandbox: RunningSandbox) -> None:
        sandbox.state.habits = {"edge_block"}
        with pytest.raises(BlockedByProxyError, match="proxy in front of it refused the client"):
            update()

    def test_rate_limit_at_the_edge_is_waited_for(self, sandbox: RunningSandbox, clock: Any) -> None:
        sandbox.state.habits = {"edge_rate_limit"}
        assert InstantlyHook().get_campaign(HEALTHY_CAMPAIGN_ID)["id"] == HEALTHY_CAMPAIGN_ID
        assert [request.status for request in sandbox.state.requests] == [429, 200]


class TestGetOperator:
    @pytest.mark.parametrize(
        ("habit", "named"),
        [
            ("encode_merge_tags", r"\{unsubscribe_link} \(in href of <a>; URL-encoded now\)"),
            ("drop_tag_comments", r"\*\|IF:CITY\|\* \(in a comment\)"),
            ("empty_html", r"the whole body \(it is empty now\)"),
            ("plain_nbsp", None),
            ("reorder_styles", None),
        ],
    )
    def test_damage_stops_the_run_by_default(
        self, sandbox: RunningSandbox, habit: str, named: str | None
    ) -> None:
        original = f"{MAIL}<!-- *|IF:CITY|* --><p>in *|CITY|*&nbsp;</p><!-- *|END:IF|* -->"
        submitted = sandbox.state.submit("Spring", original, {"remove_comments": False})
        sandbox.state.submitted[submitted.id].fixed_status = "completed"
        sandbox.state.habits = {habit}
        task = CampaignCleanerGetCampaignOperator(
            task_id="get", campaign_id=submitted.id, original_html=literal(original)
        )
        task.render_template_fields({})
        if named is None:
            assert TaskRunner().run(task)["damage"] == []
        else:
            with pytest.raises(DamagedHtmlError, match=named):
                TaskRunner().run(task)

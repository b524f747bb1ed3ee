"""One body changes among all copy: it is written once, and counts only if the campaign then shows it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import DAG, literal

from airflow_provider_campaigns.exceptions import (
    ApiError,
    AuthenticationError,
    BadRequestError,
    IncompleteResponseError,
    MalformedResponseError,
    NotUpdatedError,
    RateLimitedError,
    SendsInterruptedError,
    ServiceUnavailableError,
)
from airflow_provider_campaigns.operators.instantly import (
    InstantlyUpdateCampaignOperator,
    SendGateClosedError,
)
from tests.support.airflow_versions import BAD_ARGUMENT
from tests.support.fake_airflow import TaskRunner
from tests.support.fake_server import FakeServer, Reply, Request
from tests.support.responses import UUID, sending_status

HTML = (
    '<p style="color:#fff">Hi {{firstName}},\r\n  spring is here: ü 🌷</p>\n<p><a href="/x"><b>Go</b></a></p>'
)
REWRITTEN = (
    '<p style="color: rgb(255, 255, 255);">Hi {{ firstName }}, spring is here: u\u0308 🌷</p>'
    '<p><a href="/x" rel="noopener" target="_blank"><strong>Go</strong></a></p>'
)
SEQUENCES: list[dict[str, Any]] = [
    {
        "steps": [
            {
                "type": "email",
                "delay": 0,
                "variants": [
                    {"subject": "One  A", "body": "<p>1A {{x}}</p>\r\n", "v_disabled": False},
                    {"subject": "Ünï 🌷", "body": "<p>1B\t</p>"},
                ],
            },
            {
                "delay_unit": "days",
                "delay": 2.5,
                "type": "email",
                "variants": [{"body": " <p>2A</p> ", "subject": "", "extra": None}],
            },
        ]
    },
    {"steps": [], "note": "not used by the service"},
]


def update(**arguments: Any) -> InstantlyUpdateCampaignOperator:
    return InstantlyUpdateCampaignOperator(**{"task_id": "update", "campaign_id": UUID, **arguments})


def update_html(html: Any = HTML, **arguments: Any) -> InstantlyUpdateCampaignOperator:
    """A task whose HTML comes from another task, so that it is not rendered."""
    task = update(html=literal("<p>later</p>"), **arguments)
    task.html = html
    return task


class Campaign:
    """A campaign that can be read and changed.

    :param store: returns what the service stores of a change; by default the change itself.
    :param response: the response to a change; by default the campaign.
    """

    def __init__(
        self,
        server: FakeServer,
        *,
        store: Callable[[dict[str, Any]], dict[str, Any]] = lambda changes: changes,
        response: Reply | None = None,
        **fields: Any,
    ) -> None:
        self.server, self.store, self.response = server, store, response
        self.fields = {
            "id": UUID,
            "name": "Spring",
            "daily_limit": 100,
            "sequences": deepcopy(SEQUENCES),
            **fields,
        }
        server.requests.clear()
        server.respond(*self._replies(), path=f"/api/v2/campaigns/{UUID}")

    def _replies(self) -> list[Reply]:
        if self.response is None:
            return [Reply(self._handle)]
        # The second request is the change.
        changed = Reply(
            lambda request: self._handle(request) and Reply.encoded(self.response, request),
            status=self.response.status,
            drop=self.response.drop,
        )
        return [Reply(self._handle), changed, Reply(self._handle)]

    def _handle(self, request: Request) -> bytes:
        if request.method == "PATCH":
            self.fields.update(self.store(request.json))
        return json.dumps(self.fields).encode()

    @property
    def changes(self) -> list[dict[str, Any]]:
        return [request.json for request in self.server.requests if request.method == "PATCH"]

    @property
    def methods(self) -> list[str]:
        return [request.method for request in self.server.requests]


def sequences_with(step: int, variant: int, **fields: Any) -> list[Any]:
    changed = deepcopy(SEQUENCES)
    changed[0]["steps"][step]["variants"][variant].update(fields)
    return changed


class TestChange:
    @pytest.mark.parametrize(("step", "variant"), [(0, 0), (0, 1), (1, 0)])
    def test_one_body_changes_and_all_other_copy_stays(
        self, connections: FakeServer, step: int, variant: int
    ) -> None:
        campaign = Campaign(connections)
        runner = TaskRunner()
        result = runner.run(update_html(step=step, variant=variant))
        assert result == {"campaign_id": UUID, "updated": ["sequences"], "step": step, "variant": variant}
        (sent,) = campaign.changes
        # As JSON, where the order of the fields counts too.
        assert json.dumps(sent) == json.dumps({"sequences": sequences_with(step, variant, body=HTML)})
        assert campaign.methods == ["GET", "PATCH", "GET"]
        assert runner.ti.xcoms["_link_InstantlyCampaignLink"].endswith(f"/campaign/{UUID}/analytics")

    def test_subject_changes_alone_or_with_its_body(self, connections: FakeServer) -> None:
        campaign = Campaign(connections)
        TaskRunner().run(update(subject="New", variant=1))
        assert campaign.changes == [{"sequences": sequences_with(0, 1, subject="New")}]
        campaign = Campaign(connections)
        TaskRunner().run(update_html(subject="", step=1))  # a follow-up in the same thread has none
        assert campaign.changes == [{"sequences": sequences_with(1, 0, body=HTML, subject="")}]

    def test_other_fields_are_replaced_as_a_whole(self, connections: FakeServer) -> None:
        campaign = Campaign(connections, email_list=["a@b.c"])
        result = TaskRunner().run(
            update(fields={"daily_limit": 50, "email_list": ["d@e.f"], "text_only": None})
        )
        assert result == {"campaign_id": UUID, "updated": ["daily_limit", "email_list"]}
        assert campaign.changes == [{"daily_limit": 50, "email_list": ["d@e.f"]}]

    def test_rendered_fields_are_sent_in_their_types(self, connections: FakeServer) -> None:
        campaign = Campaign(connections)
        task = update(fields=dict.fromkeys(("daily_limit", "text_only", "email_list"), "{{ params.x }}"))
        task.fields = {"daily_limit": "50", "text_only": "True", "email_list": "['a@b.com']"}
        TaskRunner().run(task)
        assert campaign.changes == [{"daily_limit": 50, "text_only": True, "email_list": ["a@b.com"]}]
        TaskRunner().run(task)  # it shows all of it
        assert len(campaign.changes) == 1

    def test_undocumented_field_is_sent_as_it_is(self, connections: FakeServer) -> None:
        campaign = Campaign(connections)
        result = TaskRunner().run(update(fields={"daily_limit": "50", "more": {"x_new": "1"}}))
        assert result["updated"] == ["daily_limit", "x_new"]
        assert campaign.changes == [{"daily_limit": 50, "x_new": "1"}]

    @pytest.mark.parametrize("more", [None, {}])
    def test_fields_without_a_change_are_refused(self, more: Any) -> None:
        with pytest.raises(BAD_ARGUMENT, match="fields contains no field to change"):
            update(fields={"more": more})

    def test_copy_and_other_fields_change_in_one_request(self, connections: FakeServer) -> None:
        campaign = Campaign(connections)
        result = TaskRunner().run(update_html(fields={"daily_limit": 50, "name": "Spring"}))
        assert result["updated"] == ["daily_limit", "sequences"]
        assert campaign.changes == [{"daily_limit": 50, "sequences": sequences_with(0, 0, body=HTML)}]

    def test_campaign_that_shows_the_change_is_not_written(self, connections: FakeServer) -> None:
        campaign = Campaign(connections, sequences=sequences_with(0, 0, body=HTML))
        result = TaskRunner().run(update_html(fields={"daily_limit": 100}))
        assert result == {"campaign_id": UUID, "updated": [], "step": 0, "variant": 0}
        assert campaign.methods == ["GET"]


class TestGate:
    """With ``check_gate=True``, a campaign is written only while no mail goes out."""

    STATUS = f"/api/v2/campaigns/{UUID}/sending-status"

    @pytest.mark.parametrize("code", ["daily_limit_met", "campaign_paused"])
    def test_quiet_campaign_is_written(self, connections: FakeServer, code: str) -> None:
        campaign = Campaign(connections, status=2)
        connections.respond(sending_status(code), path=self.STATUS)
        TaskRunner().run(update_html(check_gate=True))
        assert len(campaign.changes) == 1

    @pytest.mark.parametrize(
        ("code", "policy", "error"),
        [
            ("healthy", None, SendsInterruptedError),
            ("campaign_paused", {"campaign_paused": "closed"}, SendGateClosedError),
        ],
    )
    def test_gate_that_is_not_open_writes_nothing(
        self, connections: FakeServer, code: str, policy: dict | None, error: type[Exception]
    ) -> None:
        campaign = Campaign(connections)
        connections.respond(sending_status(code), path=self.STATUS)
        with pytest.raises(error, match=f"{code}.*Nothing was changed"):
            TaskRunner().run(update_html(check_gate=True, policy=policy))
        assert campaign.changes == []

    def test_campaign_that_shows_the_change_needs_no_gate(self, connections: FakeServer) -> None:
        Campaign(connections, sequences=sequences_with(0, 0, body=HTML))
        connections.respond(sending_status("healthy"), path=self.STATUS)
        assert TaskRunner().run(update_html(check_gate=True))["updated"] == []

    def test_policy_without_check_gate_fails_dag_parsing(self) -> None:
        with pytest.raises(ValueError, match="policy has an effect only with check_gate=True"):
            update_html(policy={"healthy": "open"})


class TestHtmlFile:
    @pytest.mark.parametrize("scheme", ["", "file://"])
    def test_html_of_a_file_is_sent_unchanged(
        self, connections: FakeServer, tmp_path: Path, scheme: str
    ) -> None:
        campaign = Campaign(connections)
        path = tmp_path / "new.html"
        path.write_bytes(HTML.encode())
        TaskRunner().run(update(html_path=f"{scheme}{path}"))
        assert campaign.changes[0]["sequences"][0]["steps"][0]["variants"][0]["body"] == HTML

    @pytest.mark.parametrize(
        ("content", "error", "message"),
        [
            (None, OSError, r"Cannot read .*new\.html"),
            (b"\xff\xfe<p>", ValueError, r"new\.html: the file is not UTF-8"),
            (b" \n", ValueError, r"html_path .*new\.html' must not be empty"),
            (b"no element", ValueError, r"html_path .*new\.html' contains no HTML tag"),
            (b"<html><body></body></html>", ValueError, "new body is empty"),
        ],
    )
    def test_file_without_html_sends_nothing(
        self,
        connections: FakeServer,
        tmp_path: Path,
        content: bytes | None,
        error: type[Exception],
        message: str,
    ) -> None:
        path = tmp_path / "new.html"
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(error, match=message):
            TaskRunner().run(update(html_path=str(path)))
        assert connections.requests == []


class TestStepAndVariant:
    @pytest.mark.parametrize(
        ("step", "variant", "message"),
        [
            (2, 0, "The campaign has no step 2, counted from 0: it has 2"),
            ("Step 3", 0, "The campaign has no step 2, counted from 0: it has 2"),
            (0, 2, "Step 0 of the campaign has no variant 2, counted from 0: it has 2"),
            (1, "B", "Step 1 of the campaign has no variant 1, counted from 0: it has 1"),
        ],
    )
    def test_missing_step_or_variant_is_named(
        self, connections: FakeServer, step: int, variant: int, message: str
    ) -> None:
        campaign = Campaign(connections)
        with pytest.raises(ValueError, match=message):
            TaskRunner().run(update_html(step=step, variant=variant, fields={"daily_limit": 5}))
        assert campaign.methods == ["GET"]

    def test_step_and_variant_may_be_named_as_in_instantly(
        self, connections: FakeServer, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
    ) -> None:
        campaign = Campaign(connections)
        result = TaskRunner().run(update_html(step="Step 1", variant="B"))
        assert (result["step"], result["variant"]) == (0, 1)
        assert campaign.changes == [{"sequences": sequences_with(0, 1, body=HTML)}]
        assert "step 1 of 2, variant B" in caplog.text + capsys.readouterr().out

    def test_disabled_variant_is_refused_or_enabled(self, connections: FakeServer) -> None:
        disabled = sequences_with(0, 1, v_disabled=True)
        campaign = Campaign(connections, sequences=disabled)
        with pytest.raises(ValueError, match=r"step 1 of 2, variant B.*enable_variant=True"):
            TaskRunner().run(update_html(variant="B"))
        assert campaign.methods == ["GET"]
        assert TaskRunner().run(update_html(variant="B", enable_variant=True))["updated"] == ["sequences"]
        assert campaign.changes == [{"sequences": sequences_with(0, 1, body=HTML, v_disabled=False)}]

    @pytest.mark.parametrize(
        ("sequences", "message"),
        [
            (None, "no step 0"),
            ([], "no step 0"),
            ("copy", "no step 0"),
            ([{}], "no step 0"),
            ([{"steps": None}], "no step 0"),
            ([{"steps": []}], "no step 0"),
            ([{"steps": [{}]}], "no variant 0"),
            ([{"steps": ["step"]}], "no variant 0"),
            ([{"steps": [{"variants": ["variant"]}]}], "no variant 0"),
        ],
    )
    def test_campaign_without_copy_is_not_written(
        self, connections: FakeServer, sequences: Any, message: str
    ) -> None:
        campaign = Campaign(connections, sequences=sequences)
        with pytest.raises(ValueError, match=message):
            TaskRunner().run(update_html())
        assert campaign.methods == ["GET"]


def without_second_step(changes: dict[str, Any]) -> dict[str, Any]:
    return {"sequences": [{"steps": changes["sequences"][0]["steps"][:1]}]}


def with_variant(**fields: Any) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """Return a service that stores other fields of the variant."""

    def store(changes: dict[str, Any]) -> dict[str, Any]:
        changes["sequences"][0]["steps"][0]["variants"][0].update(fields)
        return changes

    return store


class TestVerification:
    @pytest.mark.parametrize(
        ("store", "named"),
        [
            (lambda changes: {}, "step 1, variant A, body: lost merge tag {{firstName}}"),
            (lambda changes: {"sequences": None}, "sequences"),
            (lambda changes: {"sequences": {}}, "sequences"),
            (without_second_step, "sequences: 1 instead of 2"),
            (
                with_variant(body=HTML.replace("spring", "summer")),
                "step 1, variant A, body: lost text 'spring'",
            ),
            (
                with_variant(body=HTML.replace("{{firstName}}", "")),
                "step 1, variant A, body: lost merge tag {{firstName}} (in text)",
            ),
            (with_variant(body=""), "step 1, variant A, body: lost the whole body (it is empty now)"),
            (with_variant(body=None), "step 1, variant A, body"),
            (with_variant(subject="Another"), "step 1, variant A, subject"),
            (with_variant(v_disabled=True), "step 1, variant A, v_disabled"),
        ],
    )
    def test_campaign_that_lost_something_is_an_error(
        self, connections: FakeServer, store: Callable[[dict[str, Any]], dict[str, Any]], named: str
    ) -> None:
        campaign = Campaign(connections, store=store)
        with pytest.raises(NotUpdatedError, match=rf"{UUID}.* other values: {re.escape(named)}"):
            TaskRunner().run(update_html())
        assert len(campaign.changes) == 1

    def test_old_content_that_stays_is_an_error(self, connections: FakeServer) -> None:
        """A change that only takes something away is verified as well."""
        Campaign(
            connections, store=lambda changes: {}, sequences=sequences_with(0, 0, body=f"{HTML}<p>old</p>")
        )
        with pytest.raises(NotUpdatedError, match="step 1, variant A, body: still holds text 'old'"):
            TaskRunner().run(update_html())

    def test_fields_that_were_not_stored_are_named(self, connections: FakeServer) -> None:
        Campaign(connections, store=lambda changes: {"name": changes["name"]})
        with pytest.raises(NotUpdatedError, match=r"other values: daily_limit; text_only\."):
            TaskRunner().run(update(fields={"name": "New", "text_only": True, "daily_limit": 5}))

    @pytest.mark.parametrize(
        "store",
        [
            with_variant(body=HTML.replace("\r\n  ", "\n").strip()),
            with_variant(body=REWRITTEN),
            with_variant(id="a-new-field"),
            lambda changes: {"sequences": [{**each, "id": "x"} for each in changes["sequences"]]},
        ],
        ids=["white space", "another spelling", "a field of the variant", "a field of the sequence"],
    )
    def test_other_spelling_and_added_fields_are_written_once(
        self, connections: FakeServer, store: Callable[[dict[str, Any]], dict[str, Any]]
    ) -> None:
        campaign = Campaign(connections, store=store)
        assert TaskRunner().run(update_html())["updated"] == ["sequences"]
        assert TaskRunner().run(update_html())["updated"] == []
        assert len(campaign.changes) == 1

    def test_swapped_links_are_an_error(self, connections: FakeServer) -> None:
        html = '<p><a href="https://a.b/buy">Buy</a> <a href="{unsubscribe_link}">Leave</a></p>'
        swapped = '<p><a href="{unsubscribe_link}">Buy</a> <a href="https://a.b/buy">Leave</a></p>'
        Campaign(connections, store=with_variant(body=swapped))
        with pytest.raises(NotUpdatedError, match=r"body: lost .*'Buy' leads to \{unsubscribe_link\} now"):
            TaskRunner().run(update_html(html))

    @pytest.mark.parametrize(
        ("response", "error"),
        [
            (Reply({}, status=500), ServiceUnavailableError),
            (Reply({}, drop="body"), IncompleteResponseError),
            (Reply("<html>"), MalformedResponseError),
        ],
    )
    def test_lost_response_counts_if_the_campaign_shows_it(
        self, connections: FakeServer, response: Reply, error: type[ApiError]
    ) -> None:
        campaign = Campaign(connections, response=response)
        assert TaskRunner().run(update_html())["updated"] == ["sequences"]
        assert campaign.methods == ["GET", "PATCH", "GET"]

        # Also where the change is one that Instantly might have stored in another form.
        styled = HTML.replace("<p>", '<p style="color:red">')
        campaign = Campaign(
            connections,
            response=response,
            store=lambda changes: {},
            sequences=sequences_with(0, 0, body=HTML),
        )
        with pytest.raises(error, match="PATCH"):
            TaskRunner().run(update_html(styled))
        assert campaign.methods == ["GET", "PATCH", "GET"]

    @pytest.mark.parametrize(
        ("status", "error"), [(400, BadRequestError), (401, AuthenticationError), (429, RateLimitedError)]
    )
    def test_refused_update_fails_at_once(
        self, connections: FakeServer, status: int, error: type[ApiError]
    ) -> None:
        campaign = Campaign(connections, response=Reply({}, status=status), store=lambda changes: {})
        with pytest.raises(error):
            TaskRunner().run(update_html())
        assert campaign.methods == ["GET", "PATCH"]


class TestArguments:
    @pytest.mark.parametrize(
        ("arguments", "named"),
        [
            ({}, "html, html_path, subject or fields"),
            ({"fields": {}}, "html, html_path, subject or fields"),
            ({"html": "<p>", "html_path": "new.html"}, "html or html_path, not both"),
            ({"html": ""}, "html must not be empty"),
            ({"html": ["<p>"]}, "html must be a string"),
            ({"html": "new.html"}, "html contains no HTML tag"),
            ({"html": "<style>@media x{#a{c:d}}</style>"}, "html contains .*literal"),
            ({"html_path": " "}, "html_path must not be empty"),
            ({"html_path": 5}, "html_path must be a path"),
            ({"subject": ["S"]}, "subject must be a string"),
            ({"html": "<p>", "enable_variant": "yes"}, "enable_variant must be True or False"),
            ({"fields": {"sequences": []}}, "fields must not contain sequences"),
            (
                {"html": "<p>", "fields": {"sequences": [], "name": "{{ x }}"}},
                "fields must not contain sequences",
            ),
            ({"fields": "daily_limit"}, "fields must be a mapping"),
            ({"fields": {5: 5}}, "fields must be a mapping"),
            ({"html": "<p>", "step": -1}, "step"),
            ({"html": "<p>", "step": True}, "step"),
            ({"html": "<p>", "variant": "AB"}, "variant"),
            ({"html": "<p>", "campaign_id": "42"}, "campaign_id"),
        ],
    )
    def test_invalid_argument_fails_dag_parsing(self, arguments: dict[str, Any], named: str) -> None:
        with pytest.raises(ValueError, match=named):
            update(**arguments)

    @pytest.mark.parametrize(
        ("name", "rendered", "message"),
        [
            ("html", None, "html was set, but it rendered to nothing"),
            ("html", "None", "html was set, but it rendered to nothing"),
            ("html", "  ", "html was set, but it rendered to nothing"),
            ("html", "new.html", "html contains no HTML tag"),
            ("html", ["<p>"], "html must be a string"),
            ("html_path", None, "html_path was set"),
            ("html_path", "None", "html_path was set"),
            ("subject", None, "subject was set"),
            ("fields", None, "fields was set"),
            ("fields", "daily_limit", "fields must be a mapping"),
            ("fields", "{'daily_limt': 5}", "daily_limit"),
            ("fields", {"sequences": []}, "fields must not contain sequences"),
            (
                "fields",
                {"daily_limit": "fifty"},
                r"fields\['daily_limit'\] must be a number, 0 or more, got 'fifty'",
            ),
            ("campaign_id", "None", "campaign_id"),
        ],
    )
    def test_invalid_rendered_argument_sends_nothing(
        self, connections: FakeServer, name: str, rendered: Any, message: str
    ) -> None:
        task = update(**{"subject": "New", name: "{{ ti.xcom_pull(task_ids='other') }}"})
        setattr(task, name, rendered)
        with pytest.raises(ValueError, match=message):
            TaskRunner().run(task)
        assert connections.requests == []

    def test_merge_tag_that_jinja_would_render_is_an_error(self, connections: FakeServer) -> None:
        campaign = Campaign(connections)
        with DAG("merge_tags"):
            rendered = update(html="<p>Hi {{firstName}}</p>")
            kept = update(task_id="kept", html=literal("<p>Hi {{firstName}}</p>"))
        with pytest.raises(Exception, match="firstName"):
            rendered.render_template_fields({})
        kept.render_template_fields({})
        TaskRunner().run(kept)
        assert campaign.changes == [{"sequences": sequences_with(0, 0, body="<p>Hi {{firstName}}</p>")}]

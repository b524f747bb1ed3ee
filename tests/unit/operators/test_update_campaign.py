"""Changing a campaign: one body among all copy, written once, believed only when the campaign shows it."""

from __future__ import annotations

import json
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
    ServiceUnavailableError,
)
from airflow_provider_campaigns.operators.instantly import InstantlyUpdateCampaignOperator
from airflow_provider_campaigns.transport import retry
from tests.support.fake_server import Reply, Request, ScriptedServer
from tests.support.triggerer import Driven

UUID = "019e18e2-a52f-78e7-96f2-b33ee19bb50a"
HTML = "<p>Hi {{firstName}},\r\n  spring is here: ü 🌷</p>\n"
SEQUENCES: list[dict[str, Any]] = [
    {
        "steps": [
            {
                "type": "email",
                "delay": 0,
                "variants": [
                    {"subject": "One  A", "body": "<p>1A {{x}}</p>\r\n", "v_disabled": True},
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


def with_html(html: Any = HTML, **arguments: Any) -> InstantlyUpdateCampaignOperator:
    """A task whose HTML another task has written, so that it is not rendered."""
    task = update(html=literal("<p>later</p>"), **arguments)
    task.html = html
    return task


class Service:
    """A campaign that can be read and changed.

    :param store: what it makes of a change; by default, just that.
    :param answer: what is answered to a change, instead of the campaign.
    """

    def __init__(
        self,
        server: ScriptedServer,
        *,
        store: Callable[[dict[str, Any]], dict[str, Any]] = lambda changes: changes,
        answer: Reply | None = None,
        **campaign: Any,
    ) -> None:
        self.server, self.store, self.answer = server, store, answer
        self.campaign = {
            "id": UUID,
            "name": "Spring",
            "daily_limit": 100,
            "sequences": deepcopy(SEQUENCES),
            **campaign,
        }
        server.requests.clear()
        server.play(*self.script(), path=f"/api/v2/campaigns/{UUID}")

    def script(self) -> list[Reply]:
        if self.answer is None:
            return [Reply(self.act)]
        # The second request is the change.
        told = Reply(
            lambda request: self.act(request) and Reply.encoded(self.answer, request),
            status=self.answer.status,
            drop=self.answer.drop,
        )
        return [Reply(self.act), told, Reply(self.act)]

    def act(self, request: Request) -> bytes:
        if request.method == "PATCH":
            self.campaign.update(self.store(request.json))
        return json.dumps(self.campaign).encode()

    @property
    def changes(self) -> list[dict[str, Any]]:
        return [request.json for request in self.server.requests if request.method == "PATCH"]

    @property
    def methods(self) -> list[str]:
        return [request.method for request in self.server.requests]


def sequences_with(step: int, variant: int, **members: Any) -> list[Any]:
    changed = deepcopy(SEQUENCES)
    changed[0]["steps"][step]["variants"][variant].update(members)
    return changed


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retry, "INITIAL_BACKOFF", 0.02)


@pytest.mark.parametrize(("step", "variant"), [(0, 0), (0, 1), (1, 0)])
def test_one_body_changes_and_all_else_stays_to_the_letter(
    connections: ScriptedServer, step: int, variant: int
) -> None:
    service = Service(connections)
    driven = Driven()
    told = driven.run(with_html(step=step, variant=variant))
    assert told == {"campaign_id": UUID, "updated": ["sequences"], "step": step, "variant": variant}
    (sent,) = service.changes
    # As JSON, where the order of members counts too.
    assert json.dumps(sent) == json.dumps({"sequences": sequences_with(step, variant, body=HTML)})
    assert service.methods == ["GET", "PATCH", "GET"]
    assert driven.ti.xcoms["_link_InstantlyCampaignLink"].endswith(f"/campaign/{UUID}/analytics")


def test_a_subject_changes_alone_or_with_its_body(connections: ScriptedServer) -> None:
    service = Service(connections)
    Driven().run(update(subject="New", variant=1))
    assert service.changes == [{"sequences": sequences_with(0, 1, subject="New")}]
    service = Service(connections)
    Driven().run(with_html(subject="", step=1))  # a follow-up in the same thread has none
    assert service.changes == [{"sequences": sequences_with(1, 0, body=HTML, subject="")}]


def test_other_members_change_as_a_whole(connections: ScriptedServer) -> None:
    service = Service(connections, email_list=["a@b.c"])
    told = Driven().run(update(fields={"daily_limit": 50, "email_list": ["d@e.f"], "text_only": None}))
    assert told == {"campaign_id": UUID, "updated": ["daily_limit", "email_list"]}
    assert service.changes == [{"daily_limit": 50, "email_list": ["d@e.f"]}]


def test_copy_and_other_members_change_in_one_request(connections: ScriptedServer) -> None:
    service = Service(connections)
    told = Driven().run(with_html(fields={"daily_limit": 50, "name": "Spring"}))
    assert told["updated"] == ["daily_limit", "sequences"]
    assert service.changes == [{"daily_limit": 50, "sequences": sequences_with(0, 0, body=HTML)}]


def test_a_campaign_that_shows_it_all_already_is_not_written_to(connections: ScriptedServer) -> None:
    service = Service(connections, sequences=sequences_with(0, 0, body=HTML))
    told = Driven().run(with_html(fields={"daily_limit": 100}))
    assert told == {"campaign_id": UUID, "updated": [], "step": 0, "variant": 0}
    assert service.methods == ["GET"]


@pytest.mark.parametrize("scheme", ["", "file://"])
def test_the_html_comes_from_a_file_to_the_letter(
    connections: ScriptedServer, tmp_path: Path, scheme: str
) -> None:
    service = Service(connections)
    path = tmp_path / "new.html"
    path.write_bytes(HTML.encode())
    Driven().run(update(html_path=f"{scheme}{path}"))
    assert service.changes[0]["sequences"][0]["steps"][0]["variants"][0]["body"] == HTML


@pytest.mark.parametrize(
    ("content", "error", "told"),
    [
        (None, OSError, r"Cannot read .*new\.html"),
        (b"\xff\xfe<p>", OSError, r"Cannot read .*new\.html"),
        (b" \n", ValueError, r"html_path: .*new\.html' is empty"),
    ],
)
def test_a_file_that_holds_no_html_changes_nothing(
    connections: ScriptedServer,
    tmp_path: Path,
    content: bytes | None,
    error: type[Exception],
    told: str,
) -> None:
    path = tmp_path / "new.html"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(error, match=told):
        Driven().run(update(html_path=str(path)))
    assert connections.requests == []


@pytest.mark.parametrize(
    ("step", "variant", "told"),
    [
        (2, 0, f"Campaign {UUID} has no step 2, counted from 0: it has 2"),
        (0, 2, f"Step 0 of campaign {UUID} has no variant 2, counted from 0: it has 2"),
        (1, 1, f"Step 1 of campaign {UUID} has no variant 1, counted from 0: it has 1"),
    ],
)
def test_a_step_or_variant_that_is_not_there_is_named(
    connections: ScriptedServer, step: int, variant: int, told: str
) -> None:
    service = Service(connections)
    with pytest.raises(ValueError, match=told):
        Driven().run(with_html(step=step, variant=variant, fields={"daily_limit": 5}))
    assert service.methods == ["GET"]


@pytest.mark.parametrize(
    ("sequences", "told"),
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
def test_a_campaign_without_copy_is_told_as_what_it_is(
    connections: ScriptedServer, sequences: Any, told: str
) -> None:
    service = Service(connections, sequences=sequences)
    with pytest.raises(ValueError, match=told):
        Driven().run(with_html())
    assert service.methods == ["GET"]


def dropped(changes: dict[str, Any]) -> dict[str, Any]:
    return {"sequences": [{"steps": changes["sequences"][0]["steps"][:1]}]}


def changed(**members: Any) -> Callable[[dict[str, Any]], dict[str, Any]]:
    def change(changes: dict[str, Any]) -> dict[str, Any]:
        changes["sequences"][0]["steps"][0]["variants"][0].update(members)
        return changes

    return change


@pytest.mark.parametrize(
    "store",
    [
        lambda changes: {},
        lambda changes: {"sequences": None},
        lambda changes: {"sequences": {}},
        dropped,
        changed(body=HTML.replace("spring", "summer")),
        changed(body=HTML.replace("spring is", "springis")),
        changed(body=None),
        changed(subject="Another"),
        changed(v_disabled=False),
    ],
)
def test_a_campaign_that_shows_something_else_afterwards_fails(
    connections: ScriptedServer, store: Callable[[dict[str, Any]], dict[str, Any]]
) -> None:
    service = Service(connections, store=store)
    with pytest.raises(NotUpdatedError, match=f"{UUID}.* under sequences"):
        Driven().run(with_html())
    assert len(service.changes) == 1


def test_the_members_that_were_not_written_are_named(connections: ScriptedServer) -> None:
    Service(connections, store=lambda changes: {"name": changes["name"]})
    with pytest.raises(NotUpdatedError, match=r"under daily_limit, text_only\."):
        Driven().run(update(fields={"name": "New", "text_only": True, "daily_limit": 5}))


@pytest.mark.parametrize(
    "store",
    [
        changed(body=HTML.replace("\r\n  ", "\n").strip()),
        changed(id="a-new-member"),
        lambda changes: {"sequences": [{**each, "id": "x"} for each in changes["sequences"]]},
    ],
    ids=["white space", "a member of the variant", "a member of the sequence"],
)
def test_white_space_and_members_that_the_service_adds_are_no_difference(
    connections: ScriptedServer, store: Callable[[dict[str, Any]], dict[str, Any]]
) -> None:
    Service(connections, store=store)
    assert Driven().run(with_html())["updated"] == ["sequences"]


LOST = [
    (Reply({}, status=500), ServiceUnavailableError),
    (Reply({}, status=503), ServiceUnavailableError),
    (Reply({}, drop="before"), IncompleteResponseError),
    (Reply({}, drop="body"), IncompleteResponseError),
    (Reply("<html>"), MalformedResponseError),
]


@pytest.mark.parametrize(("answer", "error"), LOST)
def test_an_update_whose_answer_is_lost_counts_if_the_campaign_shows_it(
    connections: ScriptedServer, answer: Reply, error: type[ApiError]
) -> None:
    if answer.drop != "before":  # a request that is dropped there is not acted on
        service = Service(connections, answer=answer)
        assert Driven().run(with_html())["updated"] == ["sequences"]
        assert service.methods == ["GET", "PATCH", "GET"]

    service = Service(connections, answer=answer, store=lambda changes: {})
    with pytest.raises(error, match="PATCH"):
        Driven().run(with_html())
    assert service.methods == ["GET", "PATCH", "GET"]


@pytest.mark.parametrize(
    ("status", "error"), [(400, BadRequestError), (401, AuthenticationError), (429, RateLimitedError)]
)
def test_an_update_that_was_refused_is_told_at_once(
    connections: ScriptedServer, status: int, error: type[ApiError]
) -> None:
    service = Service(connections, answer=Reply({}, status=status), store=lambda changes: {})
    with pytest.raises(error):
        Driven().run(with_html())
    assert service.methods == ["GET", "PATCH"]


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({}, "html, html_path, subject or fields"),
        ({"fields": {}}, "html, html_path, subject or fields"),
        ({"html": "<p>", "html_path": "new.html"}, "html or html_path, not both"),
        ({"html": ""}, "html is empty"),
        ({"html": 5}, "html must be a text"),
        ({"html": "<style>@media x{#a{c:d}}</style>"}, "html holds .*literal"),
        ({"html_path": " "}, "html_path is empty"),
        ({"html_path": 5}, "html_path must be a text"),
        ({"subject": 5}, "subject must be a text"),
        ({"fields": {"sequences": []}}, "fields must not hold sequences"),
        ({"html": "<p>", "fields": {"sequences": [], "name": "{{ x }}"}}, "fields must not hold sequences"),
        ({"fields": "daily_limit"}, "fields must be a mapping"),
        ({"fields": {5: 5}}, "fields must be a mapping"),
        ({"html": "<p>", "step": -1}, "step"),
        ({"html": "<p>", "step": True}, "step"),
        ({"html": "<p>", "variant": "0"}, "variant"),
        ({"html": "<p>", "campaign_id": "42"}, "campaign_id"),
    ],
)
def test_bad_arguments_are_refused_when_the_dag_is_parsed(arguments: dict[str, Any], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        update(**arguments)


@pytest.mark.parametrize(
    ("name", "rendered", "told"),
    [
        ("html", None, "html was given, and has rendered to nothing"),
        ("html", "None", "html was given, and has rendered to nothing"),
        ("html", "  ", "html is empty"),
        ("html", ["<p>"], "html must be a text"),
        ("html_path", None, "html_path was given"),
        ("html_path", "None", "html_path was given"),
        ("subject", None, "subject was given"),
        ("fields", None, "fields was given"),
        ("fields", "{'daily_limit': 5}", "fields must be a mapping"),
        ("fields", {"sequences": []}, "fields must not hold sequences"),
        ("campaign_id", "None", "campaign_id"),
    ],
)
def test_what_rendered_to_something_unfit_changes_nothing(
    connections: ScriptedServer, name: str, rendered: Any, told: str
) -> None:
    given = {"subject": "New", name: "{{ ti.xcom_pull(task_ids='other') }}"}
    task = update(**given)
    setattr(task, name, rendered)
    with pytest.raises(ValueError, match=told):
        Driven().run(task)
    assert connections.requests == []


def test_a_merge_tag_is_never_lost_without_a_word(connections: ScriptedServer) -> None:
    service = Service(connections)
    with DAG("merge_tags"):
        rendered = update(html="<p>Hi {{firstName}}</p>")
        kept = update(task_id="kept", html=literal("<p>Hi {{firstName}}</p>"))
    with pytest.raises(Exception, match="firstName"):
        rendered.render_template_fields({})
    kept.render_template_fields({})
    Driven().run(kept)
    assert service.changes == [{"sequences": sequences_with(0, 0, body="<p>Hi {{firstName}}</p>")}]

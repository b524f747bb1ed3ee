from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import DAG, AirflowFailException, literal, timeout

from airflow_provider_campaigns.exceptions import (
    ApiError,
    AuthenticationError,
    BadRequestError,
    BlockedByProxyError,
    MalformedResponseError,
    NotFoundError,
    PaymentRequiredError,
    RateLimitedError,
    RedirectRefusedError,
    RejectedError,
    ServiceUnavailableError,
    SubmissionUnconfirmedError,
)
from airflow_provider_campaigns.operators.campaign_cleaner import (
    CampaignCleanerSubmitCampaignOperator,
    SubmissionUnconfirmedNoRetryError,
)
from airflow_provider_campaigns.operators.campaign_cleaner.submit_campaign import LISTING_DELAY_SECONDS
from airflow_provider_campaigns.tasks.task_state import submission_marker
from tests.support.fake_airflow import TaskInstance, TaskRunner
from tests.support.fake_clock import FakeClock
from tests.support.fake_server import FakeServer, Reply, Request
from tests.support.responses import CLEANER_ID as ID
from tests.support.responses import paths
from tests.support.task_timeout import cut_off

SEND, LIST = "/v1/send_campaign", "/v1/get_campaign_list"
ACCEPTED = {"campaign": {"id": ID}}
EMPTY_LIST: dict[str, Any] = {"campaign_list": []}
MARKED_NAME = re.compile(r"Spring af-[0-9a-f]{12}")
# Responses after which it is unknown whether the submission arrived.
UNCERTAIN = {
    "500": Reply({}, status=500),
    "504": Reply({}, status=504),
    "408": Reply({}, status=408),
    "no response": Reply(drop="before"),
    "half a response": Reply(ACCEPTED, drop="body"),
    "not JSON": Reply(b"<html>"),
    "no id": Reply({"campaign": {}}),
    "an id and an error": Reply({**ACCEPTED, "error": "some links could not be scanned"}),
}
NO_RESPONSE = UNCERTAIN["no response"]


def submit(**arguments: Any) -> CampaignCleanerSubmitCampaignOperator:
    return CampaignCleanerSubmitCampaignOperator(
        **{"task_id": "submit", "campaign_html": "<p>Hi</p>", "campaign_name": "Spring", **arguments}
    )


def submitted_names(server: FakeServer) -> list[str]:
    return [
        request.json["send_campaign"]["campaign_name"] for request in server.requests if request.path == SEND
    ]


def listing(server: FakeServer, shown_as: Callable[[str], Any] = lambda name: name) -> Reply:
    """The list of a service that accepts every submission, also where its response is lost."""

    def body(_: Request) -> dict[str, Any]:
        others = [
            {"id": f"other-{number}", "campaign_name": name, "status": "completed"}
            for number, name in enumerate(["Spring", "Spring af-0123456789ab", None])
        ]
        submitted = [
            {"id": ID, "campaign_name": shown_as(name), "status": "processing"}
            for name in submitted_names(server)
        ]
        return {"campaign_list": [*others, *submitted]}

    return Reply(body)


def first_try(**arguments: Any) -> TaskRunner:
    return TaskRunner(ti=TaskInstance(max_tries=1), **arguments)


def second_try(**arguments: Any) -> TaskRunner:
    return TaskRunner(ti=TaskInstance(try_number=2, max_tries=1), **arguments)


def cleared(**arguments: Any) -> TaskRunner:
    """The first try after a clear: after one try, Airflow allows one and its one retry."""
    return TaskRunner(ti=TaskInstance(try_number=2, max_tries=2), **arguments)


class TestFirstTry:
    def test_submission_is_sent_once_under_a_marked_name(self, connections: FakeServer) -> None:
        connections.respond(ACCEPTED)
        task = submit(custom_info="run 7", settings={"inline_css": False, "minify_html": None}, retries=1)
        assert first_try().run(task) == ID
        (request,) = connections.requests
        sent = request.json["send_campaign"]
        assert MARKED_NAME.fullmatch(sent.pop("campaign_name"))
        assert sent == {"campaign_html": "<p>Hi</p>", "custom_info": "run 7", "inline_css": False}
        assert task.campaign_name == "Spring"

    @pytest.mark.parametrize("response", UNCERTAIN.values(), ids=UNCERTAIN)
    def test_submission_without_response_is_found_in_list(
        self, connections: FakeServer, response: Reply
    ) -> None:
        connections.respond(response, path=SEND)
        connections.respond(listing(connections), path=LIST)
        assert TaskRunner().run(submit()) == ID
        assert paths(connections) == [SEND, LIST]

    def test_submission_that_is_listed_late_is_found(self, connections: FakeServer, clock: FakeClock) -> None:
        connections.respond(NO_RESPONSE, path=SEND)
        connections.respond(EMPTY_LIST, listing(connections), path=LIST)
        assert TaskRunner().run(submit()) == ID
        assert paths(connections) == [SEND, LIST, LIST]
        assert clock.longest_pause == LISTING_DELAY_SECONDS

    def test_missing_submission_fails_and_is_not_sent_again(self, connections: FakeServer) -> None:
        connections.respond(NO_RESPONSE, path=SEND)
        connections.respond(listing(connections, shown_as=lambda _: "Autumn"), path=LIST)
        with pytest.raises(
            SubmissionUnconfirmedError, match=r"'Spring'.*'af-[0-9a-f]{12}'.*retry searches again"
        ) as raised:
            TaskRunner().run(submit())
        assert not isinstance(raised.value, AirflowFailException)  # Airflow may retry this
        assert not raised.value.final
        assert paths(connections) == [SEND, LIST, LIST]

    def test_uncertain_submission_fails_if_the_list_fails(self, connections: FakeServer) -> None:
        connections.respond(NO_RESPONSE, path=SEND)
        connections.respond(Reply({"error": "try later"}), path=LIST)
        with pytest.raises(RejectedError, match="try later"):
            TaskRunner().run(submit())
        assert paths(connections) == [SEND, LIST]

    @pytest.mark.parametrize(
        ("response", "error"),
        [
            (Reply({"error": "no"}, status=400), BadRequestError),
            (Reply({"error": "no"}, status=401), AuthenticationError),
            (Reply({"error": "no"}, status=402), PaymentRequiredError),
            (Reply(b"<html>", status=403, headers={"Content-Type": "text/html"}), BlockedByProxyError),
            (Reply({"error": "no"}, status=404), NotFoundError),
            (Reply({"error": "slow down"}, status=429), RateLimitedError),
            (Reply(b"", status=302, headers={"Location": "/elsewhere"}), RedirectRefusedError),
            (Reply({"error": "No credits left"}), RejectedError),
        ],
    )
    def test_refused_submission_is_not_looked_up(
        self, connections: FakeServer, response: Reply, error: type[ApiError]
    ) -> None:
        connections.respond(response)
        with pytest.raises(error) as raised:
            TaskRunner().run(submit())
        assert not isinstance(raised.value, AirflowFailException)  # Airflow may retry this
        assert paths(connections) == [SEND]

    def test_submission_by_hand_has_a_plain_name(self, connections: FakeServer) -> None:
        connections.respond(ACCEPTED)
        assert submit().execute({}) == ID
        assert submitted_names(connections) == ["Spring"]

    @pytest.mark.parametrize(
        ("durable", "error", "message"),
        [
            (True, SubmissionUnconfirmedError, "A retry searches"),
            (False, SubmissionUnconfirmedNoRetryError, "'Spring'"),
        ],
    )
    def test_submission_cut_off_by_airflow_ends_at_once(
        self, connections: FakeServer, durable: bool, error: type[Exception], message: str
    ) -> None:
        connections.respond(cut_off(), path=SEND)
        connections.respond(listing(connections), path=LIST)
        with pytest.raises(error, match=message), timeout(600):
            TaskRunner().run(submit(durable=durable))
        assert paths(connections) == [SEND]


class TestMarker:
    @pytest.mark.parametrize(
        "shown_as",
        [
            pytest.param(lambda name: f"Copy of {name} (2)", id="decorated"),
            pytest.param(str.upper, id="in capitals"),
            pytest.param(lambda name: name[-20:], id="cut at its beginning"),
            pytest.param(lambda name: f"{name}\r\n", id="with white space"),
        ],
    )
    def test_name_with_the_whole_marker_is_recognised(
        self, connections: FakeServer, shown_as: Callable[[str], str]
    ) -> None:
        connections.respond(NO_RESPONSE, path=SEND)
        connections.respond(listing(connections, shown_as), path=LIST)
        assert TaskRunner().run(submit(campaign_name="Spring, the last of them all")) == ID

    @pytest.mark.parametrize(
        "shown_as",
        [
            pytest.param(lambda name: name[:-1], id="cut at its end"),
            pytest.param(lambda _: None, id="missing"),
            pytest.param(lambda _: 7, id="a number"),
        ],
    )
    def test_name_without_the_whole_marker_is_not_recognised(
        self, connections: FakeServer, shown_as: Callable[[str], Any]
    ) -> None:
        connections.respond(NO_RESPONSE, path=SEND)
        connections.respond(listing(connections, shown_as), path=LIST)
        with pytest.raises(SubmissionUnconfirmedError):
            TaskRunner().run(submit())


class TestRetry:
    def test_retry_finds_the_first_submission_and_sends_none(self, connections: FakeServer) -> None:
        connections.respond(NO_RESPONSE, path=SEND)
        connections.respond(EMPTY_LIST, EMPTY_LIST, listing(connections), path=LIST)
        task = submit(retries=1)
        with pytest.raises(SubmissionUnconfirmedError):
            first_try().run(task)
        assert second_try().run(task) == ID
        assert paths(connections) == [SEND, LIST, LIST, LIST]

    def test_retry_of_a_missing_submission_keeps_the_marker(self, connections: FakeServer) -> None:
        connections.respond(NO_RESPONSE, ACCEPTED, path=SEND)
        connections.respond(EMPTY_LIST, path=LIST)
        task = submit(retries=1)
        with pytest.raises(SubmissionUnconfirmedError):
            first_try().run(task)
        assert second_try().run(task) == ID
        assert paths(connections) == [SEND, LIST, LIST, LIST, LIST, SEND]
        assert len(set(submitted_names(connections))) == 1

    @pytest.mark.parametrize(
        ("failure", "error"),
        [
            (Reply({}, status=503), ServiceUnavailableError),
            (Reply({"error": "no"}, status=401), AuthenticationError),
            (Reply({"error": "try later"}), RejectedError),
            (Reply(b"<html>"), MalformedResponseError),
            (Reply({"campaign_list": "none"}), MalformedResponseError),
            (Reply({"campaign_list": None}), MalformedResponseError),
            (Reply({}), MalformedResponseError),
        ],
    )
    def test_retry_without_a_readable_list_sends_nothing(
        self, connections: FakeServer, failure: Reply, error: type[Exception]
    ) -> None:
        """No list is not an empty list: the retry could spend a second credit."""
        connections.respond(ACCEPTED, path=SEND)
        connections.respond(failure, path=LIST)
        with pytest.raises(error):
            second_try().run(submit(retries=1))
        assert submitted_names(connections) == []

    def test_retry_that_finds_a_campaign_without_id_sends_nothing(self, connections: FakeServer) -> None:
        runner = second_try()
        name = f"Spring {submission_marker({'ti': runner.ti})}"
        connections.respond(ACCEPTED, path=SEND)
        connections.respond({"campaign_list": [{"campaign_name": name}]}, path=LIST)
        with pytest.raises(MalformedResponseError):
            runner.run(submit(retries=1))
        assert submitted_names(connections) == []

    @pytest.mark.parametrize(
        ("response", "requests"), [(Reply(ACCEPTED), [SEND]), (NO_RESPONSE, [SEND, LIST])]
    )
    def test_retry_takes_the_id_from_the_state_store(
        self, connections: FakeServer, response: Reply, requests: list[str]
    ) -> None:
        connections.respond(response, path=SEND)
        connections.respond(listing(connections), path=LIST)
        store: dict[str, Any] = {}
        task = submit(retries=1)
        assert first_try(store=store).run(task) == ID
        assert second_try(store=store).run(task) == ID
        assert paths(connections) == requests


class TestClearing:
    def test_cleared_task_submits_again_with_another_marker(self, connections: FakeServer) -> None:
        connections.respond(ACCEPTED, {"campaign": {"id": "second"}}, path=SEND)
        connections.respond(listing(connections), path=LIST)
        store: dict[str, Any] = {}
        task = submit(retries=1)
        assert first_try(store=store).run(task) == ID
        assert cleared(store=store).run(task) == "second"
        assert paths(connections) == [SEND, LIST, LIST, SEND]
        assert len(set(submitted_names(connections))) == 2

    def test_retry_after_a_clear_finds_the_later_submission(self, connections: FakeServer) -> None:
        connections.respond(ACCEPTED, NO_RESPONSE, path=SEND)
        connections.respond(EMPTY_LIST, path=LIST)
        task = submit(retries=1)
        assert first_try().run(task) == ID
        with pytest.raises(SubmissionUnconfirmedError):
            cleared().run(task)

        def both(_: Request) -> dict[str, Any]:
            return {
                "campaign_list": [
                    {"id": f"campaign-{number}", "campaign_name": name, "status": "processing"}
                    for number, name in enumerate(submitted_names(connections))
                ]
            }

        connections.respond(Reply(both), path=LIST)
        assert TaskRunner(ti=TaskInstance(try_number=3, max_tries=2)).run(task) == "campaign-1"
        assert len(submitted_names(connections)) == 2


class TestWithoutDurability:
    @pytest.mark.parametrize("response", [NO_RESPONSE, UNCERTAIN["not JSON"]])
    def test_uncertain_submission_is_not_retried(self, connections: FakeServer, response: Reply) -> None:
        connections.respond(response, path=SEND)
        connections.respond(listing(connections), path=LIST)
        with pytest.raises(SubmissionUnconfirmedNoRetryError, match=r"'Spring'.*spends a credit") as raised:
            second_try(store={}).run(submit(durable=False, retries=1))
        assert isinstance(raised.value, AirflowFailException)  # Airflow does not retry this
        assert submitted_names(connections) == ["Spring"]
        assert paths(connections) == [SEND]

    def test_refused_submission_may_be_retried(self, connections: FakeServer) -> None:
        connections.respond(Reply({"error": "slow down"}, status=429))
        with pytest.raises(RateLimitedError):
            TaskRunner().run(submit(durable=False))
        assert paths(connections) == [SEND]

    def test_submission_is_not_stored(self, connections: FakeServer) -> None:
        connections.respond(ACCEPTED)
        store: dict[str, Any] = {}
        assert TaskRunner(store=store).run(submit(durable=False)) == ID
        assert store == {}


class TestArguments:
    @pytest.mark.parametrize(
        ("arguments", "named"),
        [
            ({"campaign_html": ""}, "campaign_html"),
            ({"campaign_html": None}, "campaign_html"),
            ({"campaign_name": "  "}, "campaign_name"),
            ({"custom_info": "x" * 501}, "custom_info"),
            ({"webhook_url": "hooks/1"}, "webhook_url"),
            ({"webhook_url": 5}, "webhook_url"),
            ({"custom_info": ["a"]}, "custom_info"),
            ({"campaign_html": "newsletter.html"}, "contains no HTML tag"),
            ({"html_path": "a.html"}, "either campaign_html or html_path"),
            ({"settings": {"inline_ccs": True}}, "Did you mean 'inline_css'"),
            ({"settings": {"inline_ccs": "{{ params.x }}"}}, "Did you mean 'inline_css'"),
            ({"settings": {"more": ["a"]}}, "'more' must be a mapping"),
            ({"campaign_name": "Sale {# 1 #}"}, "campaign_name contains '{#'"),
            ({"durable": "False"}, "durable must be True or False"),
            ({"webhook_url": "//a.example/?sig=s3cret"}, "webhook_url must be an absolute URL"),
            ({"settings": "inline_css"}, "settings"),
            ({"settings": {"since": date(2026, 1, 1)}}, "settings"),
            ({"settings": {"image_max_width": float("nan")}}, "settings"),
            ({"campaign_html": "<style>@media x{#a{c:d}}</style>"}, "literal"),
            ({"settings": {"campaign_name": "twice"}}, "settings"),
            ({"campaign_html": "{{ params.html }}", "campaign_name": ""}, "campaign_name"),
        ],
    )
    def test_invalid_argument_fails_dag_parsing(self, arguments: dict[str, Any], named: str) -> None:
        with pytest.raises(ValueError, match=named):
            submit(**arguments)

    @pytest.mark.parametrize(
        ("argument", "rendered"),
        [
            ("campaign_html", ""),
            ("campaign_name", " "),
            ("custom_info", "x" * 501),
            ("webhook_url", "None"),
            ("settings", "None"),
            ("settings", {"since": date(2026, 1, 1)}),
            ("campaign_html", "newsletter.html"),
            ("campaign_html", "None"),
        ],
    )
    def test_invalid_rendered_argument_sends_nothing(
        self, connections: FakeServer, argument: str, rendered: Any
    ) -> None:
        task = submit(**{argument: "{{ params.x }}"})
        setattr(task, argument, rendered)
        with pytest.raises(ValueError, match=argument):
            second_try().run(task)
        assert connections.requests == []

    def test_merge_tag_that_jinja_would_render_is_an_error(self) -> None:
        with DAG("merge_tags"):
            rendered = submit(campaign_html="<p>Hi {{firstName}}</p>")
            kept = submit(task_id="kept", campaign_html=literal("<p>Hi {{firstName}}</p>"))
        with pytest.raises(ValueError, match="literal"):
            rendered.render_template_fields({})
        kept.render_template_fields({})
        assert kept.campaign_html == "<p>Hi {{firstName}}</p>"


@pytest.mark.parametrize(
    "html", ["<html><body></body></html>", "b'<p>x</p>'", '"<p>x</p>"', "('<p>x</p>', 'y')"]
)
def test_html_without_content_spends_no_credit(connections: FakeServer, html: str) -> None:
    with pytest.raises(ValueError, match="HTML"):
        TaskRunner().run(
            CampaignCleanerSubmitCampaignOperator(task_id="submit", campaign_html=html, campaign_name="x")
        )
    assert connections.requests == []

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_campaigns.exceptions import (
    AuthenticationError,
    CampaignsError,
    IncompleteResponseError,
    NotFoundError,
    RateLimitedError,
    RejectedError,
    ServiceUnavailableError,
)
from airflow_provider_campaigns.operators.campaign_cleaner import CampaignCleanerDeleteCampaignOperator
from tests.support.fake_airflow import TaskInstance, TaskRunner
from tests.support.fake_server import FakeServer, Reply
from tests.support.responses import CLEANER_ID as ID
from tests.support.responses import paths

DELETE, LIST = "/v1/delete_campaign", "/v1/get_campaign_list"
NOT_LISTED = {"campaign_list": [{"id": "another", "campaign_name": "Autumn", "status": "completed"}]}
LISTED = {"campaign_list": [{"id": ID.upper(), "status": None}]}
# Responses to the deletion of a campaign that an earlier try may have deleted.
REFUSED = [
    (Reply({"status": "failure", "error": "no such campaign"}), RejectedError),
    (Reply({"status": "failure"}), RejectedError),
    (Reply({"error": "no"}, status=404), NotFoundError),
]
# Responses after which it is unknown whether the campaign is deleted.
UNCERTAIN = [
    (Reply({}, status=503), ServiceUnavailableError),
    (Reply(drop="before"), IncompleteResponseError),
]


def delete(**arguments: Any) -> CampaignCleanerDeleteCampaignOperator:
    return CampaignCleanerDeleteCampaignOperator(**{"task_id": "delete", "campaign_id": ID, **arguments})


def second_try() -> TaskRunner:
    return TaskRunner(ti=TaskInstance(try_number=2))


def test_campaign_is_deleted(connections: FakeServer) -> None:
    connections.respond({"status": "success"})
    assert TaskRunner().run(delete()) is None
    assert [(request.path, request.json) for request in connections.requests] == [
        (DELETE, {"campaign": {"id": ID}})
    ]


@pytest.mark.parametrize(("response", "error"), [*REFUSED, *UNCERTAIN])
def test_retry_succeeds_only_if_the_campaign_is_not_listed(
    connections: FakeServer, response: Reply, error: type[Exception]
) -> None:
    connections.respond(response, path=DELETE)
    connections.respond(NOT_LISTED, path=LIST)
    second_try().run(delete())
    assert paths(connections) == [DELETE, LIST]
    connections.respond(LISTED, path=LIST)
    with pytest.raises(error):
        second_try().run(delete())
    assert paths(connections) == [DELETE, LIST] * 2


@pytest.mark.parametrize(("response", "error"), REFUSED)
def test_first_try_that_is_refused_fails(
    connections: FakeServer, response: Reply, error: type[Exception]
) -> None:
    """The id may belong to another account, whose list does not contain it either."""
    connections.respond(response, path=DELETE)
    connections.respond(NOT_LISTED, path=LIST)
    with pytest.raises(error):
        TaskRunner().run(delete())
    assert paths(connections) == [DELETE]


def test_first_try_without_response_is_decided_by_the_list(connections: FakeServer) -> None:
    connections.respond(Reply(drop="before"), path=DELETE)
    connections.respond(NOT_LISTED, path=LIST)
    TaskRunner().run(delete())
    assert paths(connections) == [DELETE, LIST]


def test_deletion_that_cannot_be_verified_fails(connections: FakeServer) -> None:
    connections.respond(Reply(drop="before"), path=DELETE)
    connections.respond(Reply({"error": "try later"}), path=LIST)
    with pytest.raises(CampaignsError, match="try later"):
        TaskRunner().run(delete())


@pytest.mark.parametrize(("status", "error"), [(401, AuthenticationError), (429, RateLimitedError)])
def test_deletion_that_was_not_accepted_is_not_verified(
    connections: FakeServer, status: int, error: type[Exception]
) -> None:
    connections.respond(Reply({"error": "no"}, status=status))
    with pytest.raises(error):
        second_try().run(delete())
    assert paths(connections) == [DELETE]


def test_invalid_campaign_id_sends_nothing(connections: FakeServer) -> None:
    with pytest.raises(ValueError, match="campaign_id"):
        delete(campaign_id="")
    task = delete(campaign_id="{{ params.x }}")
    task.campaign_id = "None"
    with pytest.raises(ValueError, match="campaign_id"):
        TaskRunner().run(task)
    assert connections.requests == []

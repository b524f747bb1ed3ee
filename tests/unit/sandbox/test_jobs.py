"""Background jobs of Instantly: their ids, how they end, and how they can be made to end."""

from __future__ import annotations

import re
from typing import Any

import pytest

from airflow_provider_campaigns.exceptions import BackgroundJobFailedError
from airflow_provider_campaigns.hooks.instantly import InstantlyHook
from airflow_provider_campaigns.sandbox import DRAFT_CAMPAIGN_ID, HEALTHY_CAMPAIGN_ID
from airflow_provider_campaigns.sandbox.state import JOB_TIME
from airflow_provider_campaigns.sensors.instantly import InstantlyBackgroundJobSensor
from tests.conftest import set_connection
from tests.support.fake_airflow import TaskRunner

from .conftest import Client, StoppedClock
from .test_instantly import NOT_FOUND
from .test_leads import add, listed

MOVE = {"campaign": HEALTHY_CAMPAIGN_ID, "to_campaign_id": DRAFT_CAMPAIGN_ID}
LASTING = JOB_TIME.total_seconds()


@pytest.fixture
def move(client: Client) -> Any:
    """Move two leads, and return the job of the response."""

    def moved() -> dict[str, Any]:
        add(client, "a@example.org", "b@example.org")
        return client.instantly("POST", "/leads/move", MOVE).json()

    return moved


def get_job(client: Client, job_id: str) -> dict[str, Any]:
    return client.instantly("GET", f"/background-jobs/{job_id}").json()


def test_job_id_is_24_hex_digits(client: Client, move: Any) -> None:
    first, second = move()["id"], move()["id"]
    assert re.fullmatch("[0-9a-f]{24}", first)
    assert first != second
    assert get_job(client, first)["id"] == first


@pytest.mark.parametrize("job_id", ["675266e304a8e55b17f0228b", "12", DRAFT_CAMPAIGN_ID])
def test_unknown_job_id_is_not_found(client: Client, job_id: str) -> None:
    response = client.instantly("GET", f"/background-jobs/{job_id}")
    assert (response.status_code, response.json()) == (404, NOT_FOUND)


@pytest.mark.parametrize(
    ("outcome", "failed_count"), [("failed", 2), ("cancelled", 0), ("paused", 0), ("draining", 0)]
)
def test_job_with_another_outcome_moves_no_lead(
    client: Client, stopped_clock: StoppedClock, move: Any, outcome: str, failed_count: int
) -> None:
    assert client.control("POST", "/instantly/background-jobs", [outcome]) == [outcome]
    job = move()
    assert (job["status"], job["progress"]) == ("pending", 0)
    stopped_clock.advance(LASTING / 2)
    assert get_job(client, job["id"])["status"] == "in-progress"
    stopped_clock.advance(LASTING)
    ended = get_job(client, job["id"])
    assert (ended["status"], ended["progress"]) == (outcome, 50)
    assert ended["data"] == {
        "moved_lead_emails": [],
        "total_to_process": 2,
        "success_count": 0,
        "failed_count": failed_count,
    }
    assert listed(client, campaign=HEALTHY_CAMPAIGN_ID) == ["a@example.org", "b@example.org"]
    assert listed(client, campaign=DRAFT_CAMPAIGN_ID) == []


def test_outcomes_apply_to_new_jobs_and_the_last_one_stays(
    client: Client, stopped_clock: StoppedClock, move: Any
) -> None:
    client.control("POST", "/instantly/background-jobs", ["cancelled", "success", "failed"])
    ids = [move()["id"] for _ in range(4)]
    assert client.control("POST", "/instantly/background-jobs", []) == []
    ids.append(move()["id"])
    stopped_clock.advance(LASTING)
    assert [get_job(client, job_id)["status"] for job_id in ids] == [
        "cancelled", "success", "failed", "failed", "success",
    ]  # fmt: skip


@pytest.mark.parametrize("status", ["pending", "in-progress", "failed", "draining", "paused", "cancelled"])
def test_job_status_can_be_set_and_stays(
    client: Client, stopped_clock: StoppedClock, move: Any, status: str
) -> None:
    job_id = move()["id"]
    assert client.control("POST", f"/instantly/background-jobs/{job_id}", {"status": status})["status"] == (
        status
    )
    stopped_clock.advance(1000)
    assert get_job(client, job_id)["status"] == status
    assert get_job(client, job_id)["progress"] < 100


def test_held_job_can_be_released(client: Client, move: Any) -> None:
    client.control("POST", "/instantly/background-jobs", ["paused"])
    job_id = move()["id"]
    job = client.control("POST", f"/instantly/background-jobs/{job_id}", {"status": "success"})
    assert (job["status"], job["progress"], job["data"]["success_count"]) == ("success", 100, 2)


def test_state_shows_the_jobs(client: Client, move: Any) -> None:
    client.control("POST", "/instantly/background-jobs", ["failed"])
    job_id = move()["id"]
    state = client.control("GET", "/state")["instantly"]
    assert state["background_jobs"] == [{"id": job_id, "type": "move-leads", "status": "pending"}]
    assert state["job_outcomes"] == ["failed"]
    assert client.control("POST", "/reset")["instantly"]["job_outcomes"] == []


@pytest.mark.parametrize(
    ("path", "body", "refused"),
    [
        ("", {"status": "failed"}, (400, "list")),
        ("", ["failed", "exploded"], (400, "body[1] must be one of pending, in-progress, success")),
        ("", [None], (400, "body[0]")),
        ("/675266e304a8e55b17f0228b", {"status": "failed"}, (404, "No such")),
        ("/{job}", {"status": "exploded"}, (400, "body/status must be one of")),
        ("/{job}", {"state": "failed"}, (400, "'status'")),
        ("/{job}", {"status": 1}, (400, "body/status")),
    ],
)
def test_invalid_job_change_is_refused(
    client: Client, move: Any, path: str, body: Any, refused: tuple[int, str]
) -> None:
    job_id = move()["id"]
    response = client.call("POST", f"/_sandbox/instantly/background-jobs{path.format(job=job_id)}", body)
    status, named = refused
    assert response.status_code == status
    assert named in response.json()["error"]
    assert get_job(client, job_id)["status"] == "pending"


@pytest.mark.parametrize("outcome", ["failed", "cancelled"])
def test_sensor_fails_with_the_outcome_of_the_job(
    client: Client, stopped_clock: StoppedClock, monkeypatch: pytest.MonkeyPatch, outcome: str
) -> None:
    set_connection(monkeypatch, "instantly", host=client.url, extra={"max_requests_per_second": 1000})
    add(client, "a@example.org")
    client.control("POST", "/instantly/background-jobs", [outcome])
    job = InstantlyHook().move_leads(**MOVE)
    stopped_clock.advance(LASTING)
    with pytest.raises(BackgroundJobFailedError, match=f"{job.id} is {outcome}"):
        TaskRunner().run(InstantlyBackgroundJobSensor(task_id="wait", job_id=job.id, poke_interval=0.02))

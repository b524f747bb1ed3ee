"""All operators run on the fake clock: their waits and pauses take no real time."""

from __future__ import annotations

import pytest

from tests.support.fake_airflow import TaskRunner
from tests.support.fake_clock import FakeClock


@pytest.fixture(autouse=True)
def _fake_time(clock: FakeClock) -> None:
    pass


@pytest.fixture(params=[False, True], ids=["worker", "triggerer"])
def deferrable(request: pytest.FixtureRequest) -> bool:
    """Where the task waits."""
    return request.param


@pytest.fixture
def runner() -> TaskRunner:
    """Run a task as Airflow does."""
    return TaskRunner()

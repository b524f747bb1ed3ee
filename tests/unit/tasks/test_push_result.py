"""The XCom of a task that is about to fail."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from airflow_provider_campaigns.tasks.gate import push_result
from tests.support.fake_airflow import TaskInstance


@pytest.mark.parametrize(
    ("task", "pushed"),
    [
        (SimpleNamespace(do_xcom_push=True), {"return_value": {"open": False}}),
        (SimpleNamespace(do_xcom_push=False), {}),
    ],
)
def test_result_is_pushed_unless_the_task_disables_it(task: Any, pushed: dict[str, Any]) -> None:
    ti: Any = TaskInstance()
    push_result({"ti": ti, "task": task}, {"open": False})  # type: ignore[typeddict-item]
    assert ti.xcoms == pushed


def test_result_without_a_task_instance_is_not_pushed() -> None:
    push_result({}, {"open": False})  # type: ignore[typeddict-item]

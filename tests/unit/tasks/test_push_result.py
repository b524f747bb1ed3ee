"""The XCom of a task that is about to fail."""

from __future__ import annotations

import importlib
from datetime import datetime, timezone
from types import SimpleNamespace
from typing import Any

import pytest

from airflow_provider_campaigns.rules.board import VERDICT_KEY
from airflow_provider_campaigns.rules.send_gate import Disposition, Verdict
from airflow_provider_campaigns.tasks.gate import push_result, push_to_board
from tests.support.airflow_versions import needs_pages
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


@needs_pages
@pytest.mark.parametrize(("pushes", "keys"), [(True, [VERDICT_KEY]), (False, [])])
def test_board_passes_an_own_xcom_backend(
    pushes: bool, keys: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The board reads Airflow's API, which knows no backend."""
    compat = importlib.import_module("airflow.providers.common.compat.sdk")
    monkeypatch.setattr(compat, "XCom", type("Elsewhere", (compat.XCom,), {}), raising=False)
    saved: list[Any] = []
    comms = SimpleNamespace(send=saved.append)
    monkeypatch.setattr("airflow.sdk.execution_time.task_runner.SUPERVISOR_COMMS", comms, raising=False)
    ti: Any = TaskInstance()
    context: Any = {"ti": ti, "task": SimpleNamespace(do_xcom_push=pushes)}
    now = datetime.now(timezone.utc)
    push_to_board(context, [("a", Verdict(True, Disposition.OPEN, "healthy", "", now))])
    assert [each.key for each in saved] == keys
    assert ti.xcoms == {}


def test_result_without_a_task_instance_is_not_pushed() -> None:
    push_result({}, {"open": False})  # type: ignore[typeddict-item]

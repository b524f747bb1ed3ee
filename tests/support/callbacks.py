"""Callbacks of the Dags of tests, which run in the process of the test: what Airflow passed to them."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

ENDS: defaultdict[str, list[tuple[str, BaseException | None]]] = defaultdict(list)


def _record(context: Any, end: str) -> None:
    ENDS[context["ti"].task_id].append((end, context.get("exception")))


def failed(context: Any) -> None:
    _record(context, "failed")


def retried(context: Any) -> None:
    _record(context, "retried")


def skipped(context: Any) -> None:
    _record(context, "skipped")


def succeeded(context: Any) -> None:
    """For a Dag, whose callback has no task of its own."""
    ENDS[context["dag"].dag_id].append(("success", None))


# Every callback of an end that is no success; the one retry comes at once.
RECORDED: dict[str, Any] = {
    "on_failure_callback": failed,
    "on_retry_callback": retried,
    "on_skipped_callback": skipped,
    "retries": 1,
    "retry_delay": 0,
}

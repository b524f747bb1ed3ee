"""What a Dag run did, from Airflow's database and log files: reading them is no work for Airflow."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

_RUNNING, _WAITING = "running", "up_for_reschedule"
_ENDED = ("success", "failed")


@dataclass(frozen=True)
class Run:
    """A Dag run.

    :param home: the folder of its Airflow.
    """

    home: Path
    dag_id: str
    run_id: str

    def waits_begun(self) -> int:
        """Return how many tasks wait: their trigger has started, or they were rescheduled."""
        logs = self.home / "logs" / f"dag_id={self.dag_id}" / f"run_id={self.run_id}"
        triggers = sum(1 for _ in logs.glob("task_id=*/*.trigger.*.log"))
        rescheduled = {task_id for task_id, event, _ in self._events() if event == _WAITING}
        return max(triggers, len(rescheduled))

    def ended_at(self) -> float | None:
        """Return when the run ended, in seconds since the epoch; None while it has not."""
        ((state, end_date),) = self._query(
            "SELECT state, end_date FROM dag_run WHERE dag_id = ? AND run_id = ?"
        )
        return _timestamp(end_date) if state in _ENDED else None

    def succeeded(self) -> tuple[int, int]:
        """Return how many tasks succeeded, and how many tries all tasks had."""
        tasks = self._query("SELECT state, try_number FROM task_instance WHERE dag_id = ? AND run_id = ?")
        # A task that no worker has started has try 0 or 1.
        return sum(state == "success" for state, _ in tasks), sum(max(1, tries) for _, tries in tasks)

    def worker_starts(self) -> int:
        """Return how often a worker started a task or resumed it."""
        return sum(event == _RUNNING for _, event, _ in self._events())

    def slot_seconds(self) -> float:
        """Return for how many seconds tasks ran on workers, summed up.

        Airflow's own duration of a task misses all but the last part of a rescheduled one.
        """
        started: dict[str, float] = {}
        total = 0.0
        for task_id, event, at in self._events():
            if event == _RUNNING:
                started[task_id] = at
            elif task_id in started:
                total += at - started.pop(task_id)
        return total

    def _events(self) -> list[tuple[str, str, float]]:
        """Return the changes of state that workers reported, in their order; Airflow audits them."""
        rows = self._query(
            "SELECT task_id, event, dttm FROM log WHERE dag_id = ? AND run_id = ? AND task_id IS NOT NULL "
            "ORDER BY id"
        )
        return [(task_id, event, _timestamp(at)) for task_id, event, at in rows]

    def _query(self, query: str) -> list[tuple[Any, ...]]:
        database = f"file:{self.home / 'airflow.db'}?mode=ro"
        with closing(sqlite3.connect(database, uri=True, timeout=30)) as connection:
            return connection.execute(query, (self.dag_id, self.run_id)).fetchall()


def _timestamp(stored: str) -> float:
    return datetime.fromisoformat(stored).replace(tzinfo=timezone.utc).timestamp()

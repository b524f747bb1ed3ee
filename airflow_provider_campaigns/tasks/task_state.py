"""The state that a task keeps from one try to the next.

Airflow 3.3 and later have a task state store. Elsewhere, and where the store fails, every read returns None:
the state is a short cut, and the way without it is safe.
"""

from __future__ import annotations

import hashlib
import logging
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow.sdk import Context

log = logging.getLogger(__name__)


class TaskState:
    """The state store of a task, or none.

    :param context: the task's context.
    """

    def __init__(self, context: Context) -> None:
        self._store: Any = context.get("task_state_store")

    @property
    def is_stored(self) -> bool:
        """Whether this Airflow has a task state store."""
        return self._store is not None

    def get(self, key: str) -> Any:
        """Return the value of a key; None where there is none."""
        return self._call("get", key)

    def set(self, key: str, value: Any) -> None:
        """Store a JSON value for later tries of this task in this run."""
        self._call("set", key, value)

    def delete(self, key: str) -> None:
        """Delete a key."""
        self._call("delete", key)

    def _call(self, method: str, *args: Any) -> Any:
        if self._store is None:
            return None
        try:
            return getattr(self._store, method)(*args)
        except Exception:
            log.warning(
                "Airflow's task state store failed (%s); continuing without it.", method, exc_info=True
            )
            return None


def is_retry_or_cleared(context: Context) -> bool:
    """Return whether an earlier try of the task may have run."""
    # Absent where execute() is called by hand.
    return "ti" in context and bool(context["ti"].try_number > 1)


def submission_marker(context: Context) -> str:
    """Return a word that is the same in all tries of a task in a run, and changes when the task is cleared.

    Clearing a task that has run raises the number of tries that Airflow allows it, and nothing else does. So
    that number separates the tries before from those after.
    """
    ti = context["ti"]
    parts = (ti.dag_id, ti.run_id, ti.task_id, ti.map_index, ti.max_tries)
    return f"af-{hashlib.sha256(repr(parts).encode()).hexdigest()[:12]}"

"""What a task remembers from one try to the next.

From Airflow 3.3 on, a task has a store of its own that outlives its tries. Elsewhere nothing is remembered,
and whoever asks has to get along. A store that fails is worth a warning and never a failed task: what it
holds is a short cut, and the way without it is safe.
"""

from __future__ import annotations

import hashlib
import logging
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow.sdk import Context

log = logging.getLogger(__name__)


class Memory:
    """A task's store, or nothing.

    :param context: the task's context.
    """

    def __init__(self, context: Context) -> None:
        self._store: Any = context.get("task_state_store")

    def recall(self, key: str) -> Any:
        """Return what was kept under a key; None where nothing was."""
        if self._store is None:
            return None
        try:
            return self._store.get(key)
        except Exception:
            log.warning("Airflow's task state store cannot be read; going on without it.", exc_info=True)
            return None

    def keep(self, key: str, value: Any) -> None:
        """Keep a JSON value under a key, for later tries of this task in this run."""
        if self._store is None:
            return
        try:
            self._store.set(key, value)
        except Exception:
            log.warning("Airflow's task state store cannot be written; going on without it.", exc_info=True)

    def forget(self, key: str) -> None:
        """Forget what was kept under a key."""
        if self._store is None:
            return
        try:
            self._store.delete(key)
        except Exception:
            log.warning("Airflow's task state store cannot be cleaned; going on.", exc_info=True)


def may_have_been_tried(context: Context) -> bool:
    """Tell whether an earlier try of the task may have got anywhere, be it before somebody cleared it."""
    return bool(context["ti"].try_number > 1)


def marker(context: Context) -> str:
    """Return a word that is the same in all tries of a task in a run, and another one once it is cleared.

    Clearing a task that has been tried raises the number of tries that Airflow allows it, and nothing else
    does; so that number tells the tries before from those after.
    """
    ti = context["ti"]
    parts = (ti.dag_id, ti.run_id, ti.task_id, ti.map_index, ti.max_tries)
    return f"af-{hashlib.sha256(repr(parts).encode()).hexdigest()[:12]}"

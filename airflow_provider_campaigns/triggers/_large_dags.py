"""What it costs a triggerer to start the waits of a Dag with many tasks.

Airflow sends the triggerer the whole Dag with each wait that begins there, so the cost of one wait grows with
the tasks of its Dag.
"""

from __future__ import annotations

import logging
from contextvars import Context
from typing import Any

log = logging.getLogger(__name__)

# Waits times tasks. From here on, starting the waits of one run takes a triggerer several seconds of CPU.
COSTLY = 10_000
_checked: set[tuple[str, int]] = set()


def warn_about_large_dag(task: Any) -> None:
    """Warn, once for each Dag and size in this process, if its waits are expensive to start in the triggerer.

    :param task: a task that started in the triggerer, with its Dag; None where Airflow did not send the Dag.
    """
    dag = None if task is None else task.get_dag()
    if dag is None or (dag.dag_id, tasks := len(dag.task_dict)) in _checked:
        return
    _checked.add((dag.dag_id, tasks))
    waits = sum(bool(getattr(each, "start_from_trigger", False)) for each in dag.task_dict.values())
    if waits * tasks < COSTLY:
        return
    # In a new context: the line belongs in the triggerer's log, not in that of the one wait that came first.
    Context().run(
        log.warning,
        "Dag %s has %d tasks, and %d of them start in the triggerer, which reads the whole Dag for each. Use "
        "start_from_trigger=False there, or one sensor for many campaigns.",
        dag.dag_id,
        tasks,
        waits,
    )

"""May a trigger end its task itself, as successful? Only where a worker would do nothing more."""

from __future__ import annotations

from collections.abc import Collection, Mapping

# What only a worker does at the end of a task, or a trigger cannot know; each with its reason, for the log.
NEEDS_WORKER: Mapping[str, str] = {
    "callback": "the task has an on_execute_callback, on_success_callback or on_skipped_callback",
    "hook": "the task has pre_execute or post_execute",
    "subclass": "the task is of a class that extends the sensor, or the Dag replaced a method of it",
    "outlet": "the task has outlets",
    "inlet": "the task has inlets, on Airflow 2",
    "mapped_over": "another task is mapped over the XCom",
    "multiple_outputs": "the task has multiple_outputs",
    "dag_result": "the XCom is the result of the Dag",
    "map_index_template": "the task has a map_index_template",
    "xcom_backend": "Airflow has a custom XCom backend",
    "lineage_backend": "Airflow 2 has a lineage backend",
    "listener": "Airflow has a listener: that of OpenLineage, or of the example plugins, which "
    "`[core] load_examples = False` removes",
    "later_try": "it is not the first try",
    "unknown": "this Airflow does not show the task to its triggerer",
}


def reasons_for_a_worker(needs: Collection[str]) -> list[str]:
    """Return why a worker has to end a task; an empty list where its trigger may.

    :param needs: names of :data:`NEEDS_WORKER`. A name that a later version stored counts, too.
    """
    known = [reason for name, reason in NEEDS_WORKER.items() if name in needs]
    return known + sorted(set(needs) - NEEDS_WORKER.keys())

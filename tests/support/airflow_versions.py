"""Names of Airflow that differ between its versions, and marks for tests of features that some do not have.

Common-compat has the other names. A feature is detected, not derived from a version. The reason of a skipped
test names what this Airflow does not have.
"""

from __future__ import annotations

import importlib
from typing import Any

import airflow
import pytest
from airflow.models.trigger import Trigger
from airflow.providers.common.compat.sdk import AirflowException
from airflow.triggers.base import BaseTrigger
from packaging.version import Version

AIRFLOW = Version(Version(airflow.__version__).base_version)


def first_of(*paths: str) -> Any:
    """Return the first of some objects that this Airflow has; None where it has none of them."""
    for path in paths:
        module, _, name = path.rpartition(".")
        try:
            return getattr(importlib.import_module(module), name)
        except (ImportError, AttributeError):
            continue
    return None


DagBag: Any = first_of("airflow.dag_processing.dagbag.DagBag", "airflow.models.dagbag.DagBag")
DagSerialization: Any = first_of(
    "airflow.serialization.serialized_objects.DagSerialization",
    "airflow.serialization.serialized_objects.SerializedDAG",
)
attach: Any = first_of("airflow.sdk.io.attach", "airflow.io.store.attach")
import_string: Any = first_of(
    "airflow.sdk._shared.module_loading.import_string", "airflow.utils.module_loading.import_string"
)
serialize: Any = first_of("airflow.sdk.serde.serialize", "airflow.serialization.serde.serialize")
deserialize: Any = first_of("airflow.sdk.serde.deserialize", "airflow.serialization.serde.deserialize")

encrypt_kwargs: Any = getattr(Trigger, "encrypt_kwargs", None) or Trigger._encrypt_kwargs
decrypt_kwargs: Any = Trigger._decrypt_kwargs


def needs(feature: Any, reason: str) -> pytest.MarkDecorator:
    """Return the mark of tests of a feature that this Airflow may not have."""
    return pytest.mark.skipif(not feature, reason=f"{reason}; this is {AIRFLOW}")


HAS_RETRY_POLICIES = first_of("airflow.sdk.RetryPolicy") is not None
NO_RETRY_POLICIES = f"retry policies came with Airflow 3.3; this is {AIRFLOW}"

HAS_PAGES = hasattr(first_of("airflow.plugins_manager.AirflowPlugin"), "external_views")
needs_pages = needs(HAS_PAGES, "the pages need Airflow 3.1")

HAS_TASK_STATE_STORE = first_of("airflow.sdk.execution_time.context.TaskStateStoreAccessor") is not None
needs_task_state_store = needs(HAS_TASK_STATE_STORE, "a task's state store came with Airflow 3.3")

HAS_ASSET_PARTITIONS = first_of("airflow.sdk.execution_time.context.AssetStateStoreAccessors") is not None
needs_asset_partitions = needs(HAS_ASSET_PARTITIONS, "partition keys of assets came with Airflow 3.3")

RENDERS_IN_THE_TRIGGERER = hasattr(BaseTrigger, "render_template_fields")
needs_rendering_in_the_triggerer = needs(
    RENDERS_IN_THE_TRIGGERER, "the triggerer renders templates from Airflow 3.3 on"
)

_IS_3_0 = AIRFLOW.release[:2] == (3, 0)
needs_a_dag_to_clear = needs(not _IS_3_0, "dag.test() of Airflow 3.0 leaves no Dag behind to clear a task of")
needs_outlets = needs(not _IS_3_0, "dag.test() of Airflow 3.0 refuses a task with an asset in its outlets")
_needs_rescheduling = needs(not _IS_3_0, "in dag.test() of Airflow 3.0, no sensor survives a reschedule")
# The modes of a sensor in a whole Dag.
MODES = ["poke", pytest.param("reschedule", marks=_needs_rescheduling), "deferrable"]

# An operator raises this to skip tasks.
DownstreamTasksSkipped: Any = first_of(
    "airflow.sdk.exceptions.DownstreamTasksSkipped", "airflow.exceptions.DownstreamTasksSkipped"
)
needs_downstream_tasks_skipped = needs(
    DownstreamTasksSkipped, "before Airflow 3, what an operator skips is written into the database"
)

# What Airflow 2 raises where Airflow 3 raises a ValueError or a TypeError.
BAD_ARGUMENT = (ValueError, TypeError, AirflowException)

# The error with which Airflow resumes a deferral after its timeout.
DEFERRAL_TIMEOUT_MESSAGE = "Trigger/execution timeout" if Version("3") > AIRFLOW else "Trigger timeout"

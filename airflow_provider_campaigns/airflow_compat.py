"""Every difference between the supported versions of Airflow, named once.

The rule of this module: no other module asks for a version of Airflow, or recognises one of its exceptions by
name. Features are detected. (:mod:`airflow_provider_campaigns.airflow_triggers` has the classes of triggers,
which take long to import; :mod:`airflow_provider_campaigns.retries` needs Airflow 3.3 as a whole.)
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from copy import deepcopy
from datetime import datetime, timedelta, timezone
from functools import cache
from typing import IO, TYPE_CHECKING, Any, NoReturn, cast
from urllib.parse import quote, urlsplit

from airflow import __version__ as airflow_version
from airflow import exceptions as core_exceptions
from airflow.providers.common.compat.sdk import (
    AirflowPlugin,
    AirflowSensorTimeout,
    AirflowTaskTimeout,
    BaseOperator,
    MappedOperator,
    SkipMixin,
    TaskDeferred,
    conf,
)
from airflow.providers.common.compat.version_compat import AIRFLOW_V_3_0_PLUS

try:  # Airflow 3.0 has the module, but not yet all of its classes
    from airflow.sdk import exceptions as sdk_exceptions
except ImportError:  # Airflow 2
    sdk_exceptions = None  # type: ignore[assignment]

if TYPE_CHECKING:
    from airflow.sdk import Context
    from airflow.triggers.base import TriggerEvent

__all__ = [
    "PAGES",
    "AirflowSensorTimeout",
    "AirflowTaskTimeout",
    "ask_person",
    "call_no_success_callback",
    "check_asset_partitions",
    "continues_elsewhere",
    "ending_event",
    "get_link",
    "is_deferral_failure",
    "is_deferral_timeout",
    "is_from_mapping",
    "is_mapped",
    "line_reader",
    "mapped_arguments",
    "needs_airflow",
    "page_url",
    "process_needs_worker",
    "resumed_with",
    "save_for_pages",
    "shows_pages",
    "skip_tasks",
    "task_needs_worker",
    "task_stats",
    "triggerer_stats",
    "try_started_at",
    "ui_address",
    "why_no_questions",
    "xcoms_as_list",
]

log = logging.getLogger(__name__)

# Airflow 2 has no TaskDeferralTimeout; it raises a TaskDeferralError with this message.
_DEFERRAL_TIMEOUT_MESSAGE = "Trigger/execution timeout"

# Where Airflow mounts the pages of this provider.
PAGES = "/campaigns"


@cache
def shows_pages() -> bool:
    """Return whether Airflow shows the pages of this provider: from 3.1 on, unless they are switched off."""
    return hasattr(AirflowPlugin, "external_views") and conf.getboolean(
        "campaigns", "ui_enabled", fallback=True
    )


def page_url(path: str) -> str:
    """Return the URL of a page on Airflow's own host.

    Without the host, which the configuration of a worker may not know.
    """
    base = urlsplit(conf.get("api", "base_url", fallback="") or "").path.rstrip("/")
    return f"{base}{PAGES}/{path}"


def needs_airflow(what: str, version: str) -> str:
    """Return the message that something needs a later version of Airflow."""
    return f"{what} needs Airflow {version} or later; this is {airflow_version}."


def _exceptions(name: str) -> tuple[type[Exception], ...]:
    """Return Airflow's exception of a name, from where this version has it; empty where it has none."""
    found = getattr(sdk_exceptions, name, None) or getattr(core_exceptions, name, None)
    return (found,) if found is not None else ()


def is_deferral_timeout(error: BaseException | None) -> bool:
    """Return whether Airflow resumed a deferred task with this error because the deferral timed out."""
    if isinstance(error, _exceptions("TaskDeferralTimeout")):
        return True
    is_deferral_error = isinstance(error, _exceptions("TaskDeferralError"))
    return is_deferral_error and str(error) == _DEFERRAL_TIMEOUT_MESSAGE


def is_deferral_failure(error: BaseException | None) -> bool:
    """Return whether Airflow resumed a deferred task with this error because its trigger failed."""
    return isinstance(error, _exceptions("TaskDeferralError")) and not is_deferral_timeout(error)


def continues_elsewhere(error: BaseException) -> bool:
    """Return whether an exception only moves a task: to the triggerer, or to a later attempt."""
    return isinstance(error, (TaskDeferred, *_exceptions("AirflowRescheduleException")))


def is_mapped(task: Any) -> bool:
    """Return whether a task is mapped, itself or through its task group."""
    return isinstance(task, MappedOperator) or next(task.iter_mapped_task_groups(), None) is not None


def is_from_mapping(task: Any) -> bool:
    """Return whether Airflow made a task from a mapped one, on a worker."""
    return bool(getattr(task, "_BaseOperator__from_mapped", False))


def mapped_arguments(task: BaseOperator, context: Context) -> set[str]:
    """Return the arguments that a mapped task gets from other tasks, through ``expand`` or ``expand_kwargs``.

    Those that are written in the Dag are not among them. An empty set for a task that is not mapped.
    """
    dag: Any = context.get("dag")
    mapped = dag.task_dict.get(task.task_id) if dag is not None else None
    if not isinstance(mapped, MappedOperator):
        return set()
    expanded: Any = mapped.expand_input.value
    if isinstance(expanded, Mapping):  # expand
        return {name for name, values in expanded.items() if hasattr(values, "resolve")}
    if isinstance(expanded, Sequence):  # expand_kwargs with a list of the Dag, which may hold outputs
        expanded = expanded[cast("int", context["ti"].map_index)]
    return (
        set() if isinstance(expanded, Mapping) else set(task.template_fields) - mapped.partial_kwargs.keys()
    )


def xcoms_as_list(value: Any) -> Any:
    """Return the XComs of a mapped task as a list, with one request for all; another value as it is."""
    try:
        from airflow.sdk.execution_time.lazy_sequence import LazyXComSequence
    except ImportError:  # Airflow 2
        return value
    return value[:] if isinstance(value, LazyXComSequence) else value


def resumed_with(context: Context) -> Mapping[str, Any]:
    """Return the arguments with which Airflow resumes a deferred task; empty for a task that starts."""
    ti: Any = context.get("ti")
    state = getattr(ti, "_ti_context_from_server", ti)  # Airflow 2: the task instance itself
    stored = getattr(state, "next_method", None) and state.next_kwargs
    if not stored or not AIRFLOW_V_3_0_PLUS:
        return stored or {}
    try:  # as Airflow does it before it calls resume_execution
        from airflow.sdk.serde import deserialize

        return cast("Mapping[str, Any]", deserialize(stored))
    except (ImportError, KeyError, AttributeError, TypeError):
        from airflow.serialization.serialized_objects import BaseSerialization

        return cast("Mapping[str, Any]", BaseSerialization.deserialize(stored))


def skip_tasks(gate: SkipMixin, context: Context, tasks: list[Any]) -> None:
    """Skip tasks of the same Dag run. The task itself goes on, and ends as it decides."""
    ti = context["ti"]
    if AIRFLOW_V_3_0_PLUS:
        try:
            gate.skip(ti=ti, tasks=tasks)
        except _exceptions("DownstreamTasksSkipped") as skip:
            _send_skip(skip)
    elif tasks:
        dag_run = context["dag_run"]
        gate.skip(  # type: ignore[call-arg]
            dag_run=dag_run, tasks=tasks, execution_date=dag_run.logical_date, map_index=ti.map_index
        )


def _send_skip(skip: Any) -> None:
    """Have Airflow 3 skip the tasks, while this task goes on."""
    try:
        from airflow.sdk.execution_time.comms import SkipDownstreamTasks
        from airflow.sdk.execution_time.task_runner import SUPERVISOR_COMMS
    except ImportError:
        raise skip from None
    message, comms = SkipDownstreamTasks(tasks=list(skip.tasks)), cast("Any", SUPERVISOR_COMMS)
    if hasattr(comms, "send"):
        comms.send(message)
    else:  # the first versions of Airflow 3.0
        comms.send_request(log, message)


def call_no_success_callback(context: Context) -> None:
    """Keep Airflow 2 from calling the ``on_success_callback`` of a task that ends as skipped."""
    task: Any = getattr(context["ti"], "task", None)
    if not AIRFLOW_V_3_0_PLUS and task is not None:
        task.on_success_callback = None


def why_no_questions() -> str | None:
    """Return why a task of this Airflow cannot ask a person; None where it can."""
    try:
        from airflow.sdk.execution_time import hitl  # noqa: F401
    except ImportError:
        return f"needs Airflow 3.1 or later; this is Airflow {airflow_version}"
    if not _exceptions("TaskAwaitingInput") and not _has_question_trigger():
        return (
            "needs the package apache-airflow-providers-standard, whose trigger waits for the answer on "
            "Airflow 3.1 and 3.2"
        )
    return None


def _has_question_trigger() -> bool:
    try:
        from airflow.providers.standard.triggers.hitl import HITLTrigger  # noqa: F401
    except ImportError:
        return False
    return True


def ask_person(
    task: BaseOperator,
    context: Context,
    question: Mapping[str, Any],
    *,
    users: Sequence[Mapping[str, str]],
    seconds: float,
    method_name: str,
    kwargs: dict[str, Any],
) -> NoReturn:
    """Show a question under *Required Actions*, and end this process until somebody answers.

    Airflow 3.3 and later needs neither a worker nor the triggerer meanwhile.

    :param question: ``subject``, ``body``, ``options`` and ``params``.
    :param users: who may answer; empty for everyone with access to the Dag.
    :param seconds: when the task goes on without an answer.
    :param method_name: the method of the task that gets the answer as ``event``, and ``kwargs``.
    """
    from airflow.sdk.execution_time.hitl import HITLUser, upsert_hitl_detail

    ti: Any = context["ti"]
    # Of four options, Airflow 3.1 shows neither buttons nor a list, unless several may be chosen.
    multiple = not _exceptions("TaskAwaitingInput")
    form: dict[str, Any] = {"options": list(question["options"]), "multiple": multiple}
    upsert_hitl_detail(
        ti_id=ti.id,
        subject=question["subject"],
        body=question["body"],
        params=deepcopy(dict(question["params"])),
        assigned_users=[HITLUser(id=user["id"], name=user["name"]) for user in users],
        **form,
    )
    timeout = timedelta(seconds=seconds)
    awaiting_input: Any
    for awaiting_input in _exceptions("TaskAwaitingInput"):
        raise awaiting_input(method_name=method_name, kwargs=kwargs, timeout=timeout)
    from airflow.providers.standard.triggers.hitl import HITLTrigger

    trigger = HITLTrigger(
        ti_id=ti.id,
        params=deepcopy(dict(question["params"])),
        timeout_datetime=datetime.now(timezone.utc) + timeout,
        **form,
    )
    task.defer(trigger=trigger, method_name=method_name, kwargs=kwargs)


def ui_address(context: Context, page: str) -> str | None:
    """Return the address of a page about a task instance; None where Airflow does not know its own.

    :param page: such as ``xcom``.
    """
    base, ti = conf.get("api", "base_url", fallback=None), cast("Any", context["ti"])
    if not base:
        return None
    dag_id, run_id, task_id = (quote(each, safe="") for each in (ti.dag_id, ti.run_id, ti.task_id))
    instance = "" if ti.map_index is None or ti.map_index < 0 else f"/mapped/{ti.map_index}"
    return f"{base.rstrip('/')}/dags/{dag_id}/runs/{run_id}/tasks/{task_id}{instance}/{page}"


def save_for_pages(context: Context, key: str, value: Any) -> None:
    """Save a link, or what a page shows, as an XCom that the web server can read.

    Airflow 3 reads both from its database, without the XCom backend that a user configured.
    """
    ti: Any = context["ti"]
    backend, standard = _xcom_classes()
    if backend is standard:
        ti.xcom_push(key=key, value=value)
        return
    standard.set(
        key=key,
        value=value,
        dag_id=ti.dag_id,
        task_id=ti.task_id,
        run_id=ti.run_id,
        map_index=-1 if ti.map_index is None else ti.map_index,
    )


def get_link(key: str, ti_key: Any) -> str:
    """Return a saved link; empty where there is none."""
    _, standard = _xcom_classes()
    return standard.get_value(key=key, ti_key=ti_key) or ""


def _xcom_classes() -> tuple[Any, Any]:
    """Return the XCom backend that a user configured, and the one in which links are saved."""
    from airflow.providers.common.compat.sdk import XCom

    try:
        from airflow.sdk.bases.xcom import BaseXCom
    except ImportError:  # Airflow 2 reads links through the backend, too
        return XCom, XCom
    return XCom, BaseXCom


def task_needs_worker(task: Any) -> list[str]:
    """Return what only a worker does at the end of a task, by the names of ``triggers._task_end``.

    :param task: the task on a worker, or as the triggerer reads it from a serialized Dag.
    """
    callbacks = ("on_execute_callback", "on_success_callback", "on_skipped_callback")
    counts_xcom = task.get_dag() is not None and not (is_from_mapping(task) or is_mapped(task))
    found = {
        "callback": any(_has(task, name) or _has(task, f"has_{name}") for name in callbacks),
        "hook": _has(task, "_pre_execute_hook") or _has(task, "_post_execute_hook"),
        "outlet": _has(task, "outlets"),
        "inlet": not AIRFLOW_V_3_0_PLUS and _has(task, "inlets"),
        "mapped_over": counts_xcom and next(task.iter_mapped_dependants(), None) is not None,
        "multiple_outputs": _has(task, "multiple_outputs"),
        "dag_result": _has(task, "returns_dag_result"),
        "map_index_template": _has(task, "map_index_template"),
    }
    return [name for name, is_so in found.items() if is_so]


def _has(task: Any, name: str) -> bool:
    return bool(getattr(task, name, None))


def process_needs_worker() -> list[str]:
    """Return what in the configuration of this process only a worker takes part in; as above."""
    try:
        from airflow.sdk.listener import get_listener_manager
    except ImportError:  # before Airflow 3.2
        from airflow.listeners.listener import get_listener_manager  # type: ignore[assignment]
    found = {
        "listener": get_listener_manager().has_listeners,
        "xcom_backend": _has_xcom_backend(),
        "lineage_backend": _has_lineage_backend(),
    }
    return [name for name, is_so in found.items() if is_so]


def _has_xcom_backend() -> bool:
    backend, standard = _xcom_classes()
    if AIRFLOW_V_3_0_PLUS:
        return backend is not standard
    from airflow.models.xcom import BaseXCom

    return backend is not BaseXCom


def _has_lineage_backend() -> bool:
    """Return whether Airflow 2, which saves the lineage of a task after its execution, also sends it."""
    if AIRFLOW_V_3_0_PLUS:
        return False
    return bool(conf.get("lineage", "backend", fallback=None))


async def ending_event(ti: Any, xcoms: Mapping[str, Any]) -> TriggerEvent:
    """Push XComs in the triggerer, and return the event with which Airflow ends the task as successful."""
    from airflow.triggers.base import TaskSuccessEvent

    if not AIRFLOW_V_3_0_PLUS:
        return TaskSuccessEvent(xcoms=dict(xcoms))
    # Airflow 3 stores the XComs of its event as JSON within JSON, so they go the way of a worker's XComs. The
    # thread of sync_to_async is the one from which every Airflow 3 can reach the triggerer's supervisor.
    from asgiref.sync import sync_to_async

    for key, value in xcoms.items():
        await sync_to_async(_xcom_classes()[0].set)(
            key=key,
            value=value,
            dag_id=ti.dag_id,
            task_id=ti.task_id,
            run_id=ti.run_id,
            map_index=-1 if ti.map_index is None else ti.map_index,
        )
    return TaskSuccessEvent()


def check_asset_partitions(operator: str) -> None:
    """Raise an error where Airflow cannot store partition keys of an asset, and a state of it.

    :raises ValueError: this is Airflow before 3.3.
    """
    try:
        from airflow.sdk.execution_time.context import AssetStateStoreAccessors  # noqa: F401
    except ImportError:
        raise ValueError(needs_airflow(operator, "3.3")) from None


def try_started_at(task: BaseOperator, context: Context) -> datetime | None:
    """Return when a rescheduled task first started in this try; None in that first process itself."""
    ti: Any = context["ti"]
    if hasattr(ti, "get_first_reschedule_date"):
        return cast("datetime | None", ti.get_first_reschedule_date(context))
    # Airflow 2: the query that its BaseSensorOperator makes.
    from airflow.sensors.base import _orig_start_date

    first_try = (ti.max_tries or 0) - (task.retries or 0) + 1
    return cast(
        "datetime | None", _orig_start_date(ti.dag_id, ti.task_id, ti.run_id, ti.map_index, first_try)
    )


def line_reader(file: Any) -> IO[str]:
    """Return an opened ``ObjectStoragePath`` as a file that can be read line by line.

    Airflow 2 wraps the file in an object that cannot.
    """
    return cast("IO[str]", file if hasattr(type(file), "__iter__") else file._obj)


@cache
def task_stats() -> Any:
    """Return the object that counts metrics in the process of a task."""
    from airflow.providers.common.compat.sdk import Stats

    return Stats


@cache
def triggerer_stats() -> Any:
    """Return the object that counts metrics in the triggerer, which Airflow configures separately."""
    try:  # Airflow 3.2 and later
        from airflow.observability.stats import Stats
    except ImportError:
        from airflow.stats import Stats as StatsBefore32

        return StatsBefore32
    return Stats

"""Add events to an asset exactly once: what its stored events hold already is never added again.

Airflow stores the events of a task in the transaction in which the task succeeds. So the events are the
truth: a task that dies before that has added nothing, and its retry starts from the same events. The asset's
state store holds a :class:`~airflow_provider_campaigns.rules.ledger.Ledger` of the events, so that a run
reads only those that are newer.

Airflow 3.3 cannot show an event while a Dag run that it started is queued, and a run may be queued for hours
(``max_active_runs``). Then the state of the task that added the newest events decides: if it has succeeded,
they are stored.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any, TypeVar

from airflow.providers.common.compat.sdk import AirflowException, AirflowSkipException, Asset

from airflow_provider_campaigns.api.values import shown
from airflow_provider_campaigns.rules.ledger import Ledger
from airflow_provider_campaigns.tasks.new_events import text_in_payload

if TYPE_CHECKING:
    from airflow.sdk import Context

T = TypeVar("T")

log = logging.getLogger(__name__)

# How many events one task adds. Airflow stores them in one request, which has to end within its timeout
# (``[workers] execution_api_timeout``, 5 s).
MAX_EVENTS = 100
# How many events one request reads, for the same reason.
_PAGE = 500
# By how much the clocks of Airflow's API servers may differ.
_CLOCK_MARGIN = timedelta(hours=1)


def task_arguments(asset: Any, arguments: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments with which a task reads and writes the events of an asset, one run at a time.

    :param arguments: those that the user set.
    :raises ValueError: the asset is not an asset, or is that of a watcher.
    """
    if not isinstance(asset, Asset):
        raise ValueError(f"asset must be an Asset, got {shown(asset)}.")
    if asset.watchers:
        raise ValueError(f"asset: a watcher updates {asset.name!r}; add the events to another asset.")
    for name in ("inlets", "outlets"):
        given = arguments.get(name) or []
        given = list(given) if isinstance(given, (list, tuple)) else [given]
        arguments[name] = given if asset in given else [*given, asset]
    arguments.setdefault("max_active_tis_per_dag", 1)
    return arguments


class AssetLedger:
    """The ledger of an asset in a running task.

    :param context: the task's context.
    :param asset: the asset; an inlet and outlet of the task.
    :param conn_id: the connection to the account whose campaigns the events are about.
    :param state_in_key: returns the campaign and its state of a partition key; None for another kind of key.
    :ivar ledger: what is recorded.
    :ivar reported: the ids of the campaigns, in lower case, that watchers report in the events that started
        this Dag run.
    :ivar has_state: whether an earlier run stored a ledger.
    :ivar is_first: whether no earlier run stored a ledger or an event.
    """

    def __init__(
        self,
        context: Context,
        asset: Asset,
        conn_id: str,
        state_in_key: Callable[[str], tuple[str, str] | None],
    ) -> None:
        self._asset = asset
        self._ti: Any = context["ti"]
        self._events: Any = context["inlet_events"][asset]
        self._outlet: Any = context["outlet_events"][asset]
        self._store: Any = context["asset_state_store"][asset]
        self._key = f"ledger:{conn_id}"
        self._state_in_key = state_in_key
        self.reported = frozenset(_reported(context.get("triggering_asset_events") or {}))
        self._stored = self._store.get(self._key)
        self._is_current = self._is_unread = False
        stored = Ledger.from_json(self._stored)
        self.ledger = stored or Ledger(is_behind=True)
        oldest = self._catch_up() if self.ledger.is_behind else None
        self.has_state = stored is not None
        self.is_first = not self.has_state and oldest is None
        if not self.has_state and oldest is not None:
            # Airflow removes the state while no Dag uses the asset, but not the events.
            self.ledger.since = oldest
            log.warning(
                "Airflow lost the state of %r. Campaigns without an event that were added before the "
                "oldest event, %s, are not new.",
                asset.name,
                oldest,
            )

    def find_new(self, find: Callable[[Ledger], list[T]]) -> list[T]:
        """Return what is new in comparison with the ledger, and with events that somebody else added."""
        found = find(self.ledger)
        if found and not self._is_current:
            self._catch_up()
            found = find(self.ledger)
        return found

    @property
    def newest_event_at(self) -> datetime | None:
        """When the newest event of the asset was stored, or a later time."""
        return datetime.now(timezone.utc) if self._is_unread else self.ledger.until

    def _catch_up(self) -> datetime | None:
        """Add the newer events to the ledger, and return when the first of those was stored."""
        oldest = None
        try:
            for event in self._newer_events():
                oldest = oldest or event.timestamp
                self.ledger.until = event.timestamp
                if event.partition_key and (found := self._state_in_key(event.partition_key)):
                    self.ledger.record(*found)
        except Exception as error:
            if self.ledger.is_behind and not self._has_added():
                raise AirflowException(
                    f"Airflow cannot show the events of the asset {self._asset.name!r}, so nothing is added; "
                    f"a later try adds it. Airflow 3.3 cannot while a Dag run that they started is queued."
                ) from error
            log.warning("Airflow cannot show the newest events of the asset. %s", error)
            self.ledger.record_added()
            self._is_unread = True
        self._is_current = True
        return oldest

    def _has_added(self) -> bool:
        """Return whether the task that was to add the newest events has succeeded, which stored them."""
        ti, run_id = self._ti, self.ledger.added_by
        if run_id is None:
            return False
        states = ti.get_task_states(dag_id=ti.dag_id, task_ids=[ti.task_id], run_ids=[run_id])
        return bool(states.get(run_id, {}).get(ti.task_id) == "success")

    def _newer_events(self) -> Iterator[Any]:
        after, size, seen = self.ledger.until, _PAGE, set[int]()
        after = after and after - _CLOCK_MARGIN
        while True:
            if after is not None:
                self._events.after(after.isoformat())
            page = list(self._events.limit(size))
            new = [event for event in page if event.id not in seen]
            yield from new
            if len(page) < size:
                return
            # Events with the time of the last one come again, and a page may hold no others.
            seen.update(event.id for event in new)
            after = page[-1].timestamp
            size = size if new else 2 * size

    def add(self, keys: Sequence[str], listed: Collection[str]) -> list[str]:
        """Add an event for each partition key, in the transaction of the task's success, and return the keys.

        :param listed: the campaigns that the service lists.
        :raises AirflowSkipException: there are none: a task that succeeds adds at least one event.
        """
        added = list(keys[:MAX_EVENTS])
        self.ledger.is_behind = bool(added)
        self.ledger.expect(self._ti.run_id, filter(None, map(self._state_in_key, added)))
        self.ledger.trim(listed)
        if (changed := self.ledger.as_json()) != self._stored:
            self._store.set(self._key, changed)
        if not added:
            raise AirflowSkipException("Nothing is new.")
        if rest := len(keys) - len(added):
            log.info("The next run adds the other %d.", rest)
        self._outlet.add_partitions(added)
        return added


def _reported(started_by: Mapping[Any, Sequence[Any]]) -> Iterator[str]:
    for events in started_by.values():
        for event in events:
            if (campaign_id := text_in_payload(event, "campaign_id")) is not None:
                yield campaign_id.lower()

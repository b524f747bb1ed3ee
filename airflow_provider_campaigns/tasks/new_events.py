"""The events that started a Dag run, each handled once.

An event counts as handled when a block that got it has ended without an error. It then belongs to the Dag run
of that block: a retry and a cleared task get it again, and another run, which a repeated event starts, does
not. An event whose block failed is not handled: a run that its repetition starts gets it.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import AirflowSkipException

from airflow_provider_campaigns.airflow_compat import needs_airflow

if TYPE_CHECKING:
    from airflow.sdk import Asset, Context

log = logging.getLogger(__name__)

# How many handled events each task remembers.
MAX_REMEMBERED = 5_000


@dataclass(frozen=True)
class CampaignEvent:
    """Something that happened to a campaign.

    :param event_id: identifies the event; a repeated one has the same.
    :param campaign_id: the campaign.
    :param name: its name, if the service has one.
    :param before: the state before, if there was one; ``from`` in the payload.
    :param after: the state now; ``to`` in the payload.
    :param at: when the watcher saw it.
    :param message: the same for a person.
    :param may_repeat: whether the watcher may have reported it before.
    :param code: the sending code, for a change of health.
    :param needs_person: whether the campaign needs a person, for a change of health.
    """

    event_id: str
    campaign_id: str
    name: str | None
    before: str | None
    after: str
    at: datetime
    message: str
    may_repeat: bool
    code: str | None = None
    needs_person: bool | None = None

    @classmethod
    def from_payload(cls, payload: Mapping[str, Any]) -> CampaignEvent:
        """Read the payload of an asset event.

        :raises ValueError: it is not that of a watcher.
        """
        try:
            event = cls(
                event_id=payload["event_id"],
                campaign_id=payload["campaign_id"],
                name=payload["name"],
                before=payload["from"],
                after=payload["to"],
                at=datetime.fromisoformat(payload["at"]),
                message=payload["message"],
                may_repeat=payload["may_repeat"],
                code=payload.get("code"),
                needs_person=payload.get("needs_person"),
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"{type(error).__name__}: {error}") from error
        if not isinstance(event.event_id, str) or not isinstance(event.campaign_id, str):
            raise ValueError("event_id and campaign_id must be strings")
        return event


@contextmanager
def new_events(context: Context, asset: Asset) -> Iterator[list[CampaignEvent]]:
    """Give the events that started this Dag run, oldest first, without those that an earlier run has handled.

    They count as handled when the block ends without an error, or with ``AirflowSkipException``::

        @task(inlets=[newsletters])
        def handle(**context):
            with new_events(context, newsletters) as events:
                for event in events:
                    print(event.campaign_id)

    Events that Airflow has stored since then and given to no run are among them. Each task remembers its last
    5,000 events in the state of the asset. Set ``max_active_runs=1``: two runs at the same time do not see
    what the other handles.

    :param context: the task's context.
    :param asset: the asset of a watcher; the task has it among its ``inlets``.
    :raises ValueError: the task does not have the asset among its inlets, or Airflow is older than 3.3.
    """
    state, ti, run_id = _state_of(context, asset), context["ti"], str(context["run_id"])
    parts = [ti.dag_id, ti.task_id, *([str(ti.map_index)] if ti.map_index not in (None, -1) else [])]
    key = " ".join(["handled", *parts])
    handled: dict[str, list[str]] = state.get(key) or {}
    own = frozenset(handled.pop(run_id, []))
    of_others = {each for ids in handled.values() for each in ids}
    # Airflow passes the events of a run in any order.
    found = list(_read(sorted(_asset_events(context, asset, own), key=lambda each: each.timestamp)))
    events = {each.event_id: each for each in found if each.event_id not in of_others}
    log.info("%d of %d events are new.", len(events), len(found))
    skipped = None
    try:
        yield list(events.values())
    except AirflowSkipException as skip:
        skipped = skip
    if events.keys() - own:
        state.set(key, _newest([*handled.items(), (run_id, list(events))]))
    if skipped:
        raise skipped


def _asset_events(context: Context, asset: Asset, own: frozenset[str]) -> list[Any]:
    """Return the events that started the run, and later ones that no run of this Dag has.

    :param own: the ids of the events that this run has handled; they are returned, whatever run has them now.

    Airflow 3.3 queues a Dag once, however many events there are. Those that it stores after the first, and
    before it starts the run, would wait for the run of the next event.
    """
    started_by = list(context["triggering_asset_events"].get(asset) or ())
    if not started_by:
        return []
    first, dag_id = min(each.timestamp for each in started_by), context["ti"].dag_id
    try:
        stored = list(context["inlet_events"][asset].after(first.isoformat()))
    except Exception as error:  # noqa: BLE001 - Airflow 3.3 fails while a run of another Dag is queued
        log.warning("Airflow cannot show the later events; they are in the next run. %s", error)
        stored = []
    late_and_own = own - {text_in_payload(each, "event_id") for each in started_by}
    late = [
        each
        for each in stored
        if text_in_payload(each, "event_id") in late_and_own
        or all(run.dag_id != dag_id for run in each.created_dagruns)
    ]
    return started_by + late


def text_in_payload(asset_event: Any, name: str) -> str | None:
    """Return a text of a watcher's event; None where another wrote the event, or it is no text."""
    payload = (asset_event.extra or {}).get("payload")
    value = payload.get(name) if isinstance(payload, Mapping) else None
    return value if isinstance(value, str) else None


def _state_of(context: Context, asset: Asset) -> Any:
    states: Any = context.get("asset_state_store")
    if states is None:
        raise ValueError(needs_airflow("new_events", "3.3"))
    try:
        return states[asset]
    except KeyError:
        raise ValueError(
            f"asset: the task does not have {asset.name!r} among its inlets; add inlets=[...] to the task."
        ) from None


def _read(asset_events: Any) -> Iterator[CampaignEvent]:
    for each in asset_events:
        try:
            yield CampaignEvent.from_payload(each.extra["payload"])
        except (KeyError, TypeError, ValueError) as error:  # noqa: PERF203 - one of another origin
            log.warning("An asset event that is not a watcher's is left out. %s", error)


def _newest(handled: list[tuple[str, list[str]]]) -> dict[str, list[str]]:
    """Return the events of the newest runs; those of the last run in any case."""
    kept: list[tuple[str, list[str]]] = []
    number = 0
    for run, ids in reversed(handled):
        number += len(ids)
        if kept and number > MAX_REMEMBERED:
            break
        kept.append((run, ids))
    return dict(reversed(kept))

"""What a ledger does while Airflow cannot show the newest events of its asset."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowException

from airflow_provider_campaigns.rules.ledger import Ledger
from airflow_provider_campaigns.tasks.asset_ledger import AssetLedger
from tests.support.fake_airflow import Store

ASSET: Any = SimpleNamespace(name="completed")


class NotShown:
    """The events of an asset of which one has started a run that is queued."""

    def limit(self, _: int) -> Any:
        raise RuntimeError("500")


def ledger_after(run_id: str | None, states: dict[str, Any], *, is_behind: bool = True) -> AssetLedger:
    """Return the ledger of a run after one that was to add the campaign ``a``.

    :param states: the states of the task by run, as Airflow returns them.
    """
    stored = Ledger(is_behind=is_behind)
    if run_id is not None:
        stored.expect(run_id, [("a", "completed")])
    ti = SimpleNamespace(
        dag_id="dag", task_id="emit", run_id="now", get_task_states=lambda **selected: states
    )
    context: Any = {
        "ti": ti,
        "inlet_events": {ASSET.name: NotShown()},
        "outlet_events": {ASSET.name: None},
        "asset_state_store": {ASSET.name: Store({"ledger:conn": stored.as_json()})},
    }
    by_name = {name: _ByName(value) if isinstance(value, dict) else value for name, value in context.items()}
    return AssetLedger(by_name, ASSET, "conn", lambda key: (key, "completed"))  # type: ignore[arg-type]


class _ByName(dict[str, Any]):
    def __getitem__(self, asset: Any) -> Any:
        return super().__getitem__(asset.name)


def test_events_of_a_task_that_succeeded_are_recorded() -> None:
    ledger = ledger_after("before", {"before": {"emit": "success"}})
    assert ledger.ledger.state("a") == "completed"
    assert ledger.newest_event_at is not None


@pytest.mark.parametrize(
    ("run_id", "states"),
    [
        ("before", {"before": {"emit": "failed"}}),
        ("before", {"before": {"emit": None}}),
        ("before", {"before": {"emit_0": "success"}}),
        ("before", {}),
        ("now", {"now": {"emit": "running"}}),
        (None, {}),
    ],
    ids=["failed", "cleared", "mapped", "deleted", "an earlier try", "never"],
)
def test_task_fails_if_it_is_not_known_what_is_stored(run_id: str | None, states: dict[str, Any]) -> None:
    with pytest.raises(AirflowException, match=r"cannot show the events of the asset 'completed'.*is queued"):
        ledger_after(run_id, states)


def test_nothing_to_read_does_not_fail() -> None:
    ledger = ledger_after("before", {}, is_behind=False)
    assert ledger.find_new(lambda known: [] if known.state("b") else ["b"]) == ["b"]

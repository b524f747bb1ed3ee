"""The operators that add events to an asset: their arguments, and the ledger that they store."""

from __future__ import annotations

from typing import Any

import pytest
from airflow.providers.common.compat.sdk import Asset

from airflow_provider_campaigns.operators.campaign_cleaner import CampaignCleanerEmitCompletedOperator
from airflow_provider_campaigns.operators.instantly import InstantlyEmitHealthChangedOperator
from airflow_provider_campaigns.rules import ledger
from airflow_provider_campaigns.rules.ledger import Ledger
from tests.support.airflow_versions import HAS_ASSET_PARTITIONS, needs_asset_partitions


@needs_asset_partitions
@pytest.mark.parametrize(
    ("operator", "arguments", "message"),
    [
        (CampaignCleanerEmitCompletedOperator, {"asset": "name"}, "asset must be an Asset"),
        (CampaignCleanerEmitCompletedOperator, {"fire_existing": 1}, "fire_existing must be True or False"),
        (InstantlyEmitHealthChangedOperator, {"on": "codes"}, "on must be one of .*Did you mean 'code'"),
        (InstantlyEmitHealthChangedOperator, {"policy": {"x": "open"}}, "policy: unknown sending code"),
        (InstantlyEmitHealthChangedOperator, {"policy": {}, "on": "code"}, "policy is for on="),
    ],
)
def test_invalid_arguments_are_refused_at_parse(operator: Any, arguments: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        operator(**{"task_id": "emit", "asset": Asset("a"), **arguments})


@needs_asset_partitions
def test_other_assets_of_the_task_stay() -> None:
    asset, other = Asset("a"), Asset("b")
    task = CampaignCleanerEmitCompletedOperator(task_id="emit", asset=asset, inlets=[other], outlets=asset)
    assert (task.inlets, task.outlets, task.max_active_tis_per_dag) == ([other, asset], [asset], 1)


@pytest.mark.parametrize(
    "operator", [CampaignCleanerEmitCompletedOperator, InstantlyEmitHealthChangedOperator]
)
def test_older_airflow_is_refused_at_parse(operator: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    if HAS_ASSET_PARTITIONS:
        monkeypatch.delattr("airflow.sdk.execution_time.context.AssetStateStoreAccessors")
    with pytest.raises(ValueError, match=rf"{operator.__name__} needs Airflow 3.3 or later; this is \d"):
        operator(task_id="emit", asset=Asset("a"))


class TestLedger:
    def test_stored_ledger_is_the_same(self) -> None:
        ledger = Ledger()
        ledger.record("A", "healthy")
        ledger.record("b", "campaign_paused")
        stored = Ledger.from_json(ledger.as_json())
        assert stored == ledger
        assert (stored.state("a"), stored.state("B"), stored.state("c")) == (
            "healthy",
            "campaign_paused",
            None,
        )

    def test_what_a_run_added_counts_once_it_is_stored(self) -> None:
        ledger = Ledger(is_behind=True)
        ledger.expect("run", [("A", "completed")])
        stored = Ledger.from_json(ledger.as_json())
        assert stored == ledger
        assert stored.state("a") is None
        stored.record_added()
        assert stored.state("a") == "completed"

    @pytest.mark.parametrize("stored", [None, "x", {}, {"version": 0}])
    def test_another_version_counts_as_none(self, stored: Any) -> None:
        assert Ledger.from_json(stored) is None

    def test_large_ledger_drops_only_what_is_not_listed(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(ledger, "MAX_KNOWN", 3)
        known = Ledger()
        for campaign_id in "abcde":
            known.record(campaign_id, "completed")
        known.trim("bcd")
        assert [each for each in "abcde" if known.state(each)] == ["b", "c", "d"]
        known.record("f", "completed")
        known.trim("bcdf")
        assert [each for each in "abcdf" if known.state(each)] == ["b", "c", "d", "f"]

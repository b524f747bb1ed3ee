"""The arguments of the operators that add events to an asset."""

from __future__ import annotations

from typing import Any

import pytest
from airflow.providers.common.compat.sdk import Asset

from airflow_provider_campaigns.operators.campaign_cleaner import CampaignCleanerEmitCompletedOperator
from airflow_provider_campaigns.operators.instantly import InstantlyEmitHealthChangedOperator
from airflow_provider_campaigns.watchers import campaign_cleaner_completed
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
def test_asset_of_a_watcher_is_refused() -> None:
    """Its Dag would start again with each event that its own task adds."""
    with pytest.raises(ValueError, match="asset: a watcher updates 'watched'; add the events to another"):
        CampaignCleanerEmitCompletedOperator(task_id="emit", asset=campaign_cleaner_completed("watched"))


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

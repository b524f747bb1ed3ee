"""Add an event to an asset for each campaign that Campaign Cleaner has completed."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_provider_campaigns import hooks
from airflow_provider_campaigns.airflow_compat import check_asset_partitions
from airflow_provider_campaigns.api.campaign_cleaner import CampaignState, CampaignStatus
from airflow_provider_campaigns.api.values import is_opaque_id
from airflow_provider_campaigns.links import CampaignCleanerLink, save_campaign_cleaner_link
from airflow_provider_campaigns.rules.changes import matches
from airflow_provider_campaigns.rules.ledger import Ledger
from airflow_provider_campaigns.tasks.arguments import (
    Check,
    check_at_parse,
    check_rendered,
    optional,
    strict_flag,
    text,
)
from airflow_provider_campaigns.tasks.asset_ledger import AssetLedger, task_arguments
from airflow_provider_campaigns.tasks.rendering import RenderedTask

if TYPE_CHECKING:
    from airflow.sdk import Asset, Context

_COMPLETED = CampaignState.COMPLETED.value
# What a ledger records of a campaign at the first run, before it completes and after.
_OPEN, _OLD = "open", "old"
# By how much the clock of the service may differ, so that no campaign is taken for an older one.
_CLOCK_MARGIN = timedelta(days=1)
_OLDEST = datetime.min.replace(tzinfo=timezone.utc)


class CampaignCleanerEmitCompletedOperator(RenderedTask):
    """Adds one event to an asset for each completed campaign, exactly once.

    The partition key is the campaign's id. A Dag with ``schedule=PartitionedAssetTimetable(assets=asset)``
    then runs once per campaign, and finds the id in ``dag_run.partition_key``. Each run of this task reads
    the account's list, in one request, and adds the campaigns for which the asset has no event yet. Airflow
    stores the events in the transaction in which the task succeeds, so no failure loses or repeats one. If
    nothing is new, the task is skipped. It adds at most 100 events; the next run adds the others.

    The first run only records which campaigns are completed, except for those that a watcher reported to
    start the run. Of a Dag, one such task runs at a time. Use one task per asset, and pause the Dag of this
    task rather than those that it starts: Airflow stores no run for a paused Dag. Needs Airflow 3.3.

    https://docs.campaigncleaner.com/api-reference/endpoint/get-campaign-list

    :param asset: the asset; it becomes an inlet and an outlet of the task.
    :param name_pattern: only campaigns whose name matches, such as ``newsletter-*``; upper and
        lower case are the same (templated).
    :param fire_existing: whether the first run also adds events for the campaigns that are completed by then.
    :param campaign_cleaner_conn_id: connection of type ``campaign_cleaner`` (templated).
    """

    template_fields: Sequence[str] = ("name_pattern", "campaign_cleaner_conn_id")
    arguments: ClassVar[Mapping[str, Check]] = {
        "name_pattern": optional(text),
        "fire_existing": strict_flag,
        "campaign_cleaner_conn_id": text,
    }
    operator_extra_links = (CampaignCleanerLink(),)
    ui_color = "#b9e4cb"

    def __init__(
        self,
        *,
        asset: Asset,
        name_pattern: str | None = None,
        fire_existing: bool = False,
        campaign_cleaner_conn_id: str = "campaign_cleaner_default",
        **kwargs: Any,
    ) -> None:
        check_asset_partitions(type(self).__name__)
        super().__init__(**task_arguments(asset, kwargs))
        self.asset = asset
        self.name_pattern = name_pattern
        self.fire_existing = fire_existing
        self.campaign_cleaner_conn_id = campaign_cleaner_conn_id
        check_at_parse(self)

    def execute(self, context: Context) -> list[str]:
        """Add the events, and return the ids of their campaigns."""
        check_rendered(self)
        save_campaign_cleaner_link(context)
        asset = AssetLedger(context, self.asset, self.campaign_cleaner_conn_id, lambda key: (key, _COMPLETED))
        listed = self._listed()
        if asset.is_first and not self.fire_existing:
            asset.ledger.since = datetime.now(timezone.utc) - _CLOCK_MARGIN
            for key, campaign in listed.items():
                is_old = _is_completed(campaign) and key not in asset.reported
                asset.ledger.record(key, _OLD if is_old else _OPEN)
        new = asset.find_new(lambda ledger: self._new(listed, ledger, asset.reported))
        return asset.add([campaign.id for campaign in new], listed)

    def _listed(self) -> dict[str, CampaignStatus]:
        hook = hooks.campaign_cleaner.CampaignCleanerHook(self.campaign_cleaner_conn_id)
        campaigns = hook.get_campaign_list(may_be_missing=False)
        valid = {campaign.id.lower(): campaign for campaign in campaigns if is_opaque_id(campaign.id)}
        if len(valid) < len(campaigns):
            self.log.warning("The list repeats a campaign, or contains one without a valid id.")
        return valid

    def _new(
        self, listed: Mapping[str, CampaignStatus], ledger: Ledger, reported: Collection[str]
    ) -> list[CampaignStatus]:
        """Return the completed campaigns without an event, the oldest first; record those to be ignored.

        A campaign that a watcher reports has completed since the watcher began, so it is never an old one.
        """
        new = []
        for key, campaign in listed.items():
            state, is_reported = ledger.state(key), key in reported
            if not _is_completed(campaign) or state == _COMPLETED or (state == _OLD and not is_reported):
                continue
            is_new = is_reported or state == _OPEN or ledger.is_new(campaign.date_added)
            if is_new and matches(campaign.campaign_name, self.name_pattern):
                new.append(campaign)
            else:
                ledger.record(key, _COMPLETED)
        return sorted(new, key=lambda campaign: campaign.date_added or _OLDEST)


def _is_completed(campaign: CampaignStatus) -> bool:
    return campaign.state is CampaignState.COMPLETED

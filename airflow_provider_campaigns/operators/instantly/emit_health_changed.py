"""Add an event to an asset for each campaign of Instantly whose health has changed."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime, timezone
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from airflow_provider_campaigns import hooks
from airflow_provider_campaigns.airflow_compat import check_asset_partitions
from airflow_provider_campaigns.api.instantly import SendingCode, SendingStatus
from airflow_provider_campaigns.api.values import check_uuid
from airflow_provider_campaigns.exceptions import (
    ApiError,
    BadRequestError,
    MalformedResponseError,
    NotFoundError,
)
from airflow_provider_campaigns.links import InstantlyCampaignLink, save_instantly_link
from airflow_provider_campaigns.rules.changes import matches
from airflow_provider_campaigns.rules.health import ON_CHOICES, has_sending_status, read_health
from airflow_provider_campaigns.rules.ledger import Ledger, began_at, health_in_key, health_key
from airflow_provider_campaigns.rules.send_gate import Intent, Policy
from airflow_provider_campaigns.tasks.arguments import (
    Check,
    check_at_parse,
    check_rendered,
    choice,
    optional,
    text,
)
from airflow_provider_campaigns.tasks.asset_ledger import AssetLedger, task_arguments
from airflow_provider_campaigns.tasks.gate import POLICY_CODES, gate_policy, policy_argument
from airflow_provider_campaigns.tasks.rendering import RenderedTask

if TYPE_CHECKING:
    from airflow.sdk import Asset, Context


# What a ledger records of a campaign that is there at first, but whose health was not read.
_UNREAD = "unread"


class InstantlyEmitHealthChangedOperator(RenderedTask):
    """Adds one event to an asset for each campaign whose health has changed, exactly once.

    The partition key is ``<campaign id>:<code>:<UTC time>``, for example
    ``019e18e2-a52f-78e7-96f2-b33ee19bb50a:campaign_paused:20261130T101500Z``. The time is when the change
    began as Instantly reports it; where that is missing, or not after the newest event of the asset, when the
    task found the change. What is new is decided by the code of the campaign's last event, never by a time:
    Instantly moves the start of an issue while it lasts.

    A Dag with ``schedule=PartitionedAssetTimetable(assets=asset)`` then runs once per change, and finds the
    key in ``dag_run.partition_key``. Airflow stores the events in the transaction in which the task succeeds,
    so no failure loses or repeats one. If nothing has changed, the task is skipped. It adds at most 100
    events; the next run adds the others.

    The first run only records the codes, except for campaigns that a watcher reported to start the run. A
    campaign that appears later counts as a draft before. A status that is old, undocumented or contradicted
    by the campaign is no change. The task reads the list of campaigns in pages of 100, and the sending status
    of each active one. Of a Dag, one such task runs at a time. Use one task per asset, and pause the Dag of
    this task rather than those that it starts: Airflow stores no run for a paused Dag. Needs Airflow 3.3.

    https://developer.instantly.ai/api-reference/campaign/get-campaign-sending-status

    :param asset: the asset; it becomes an inlet and an outlet of the task.
    :param name_pattern: only campaigns whose name matches, such as ``outreach-*``; upper and
        lower case are the same (templated).
    :param on: what a change is: of the ``"disposition"`` (open, wait, closed, finished) that a send gate with
        ``intent="send"`` has for the code, or of the ``"code"`` itself.
    :param policy: for ``on="disposition"``: dispositions that differ from the default, by code (templated).
    :param instantly_conn_id: connection of type ``instantly`` (templated).
    """

    template_fields: Sequence[str] = ("name_pattern", "policy", "instantly_conn_id")
    arguments: ClassVar[Mapping[str, Check]] = {
        "name_pattern": optional(text),
        "on": choice(*ON_CHOICES),
        "policy": optional(policy_argument),
        "instantly_conn_id": text,
    }
    known_names: ClassVar[Mapping[str, Collection[str]]] = {"policy": POLICY_CODES}
    operator_extra_links = (InstantlyCampaignLink(),)
    ui_color = "#c9dcfa"

    def __init__(
        self,
        *,
        asset: Asset,
        name_pattern: str | None = None,
        on: Literal["disposition", "code"] = "disposition",
        policy: Mapping[str, str] | None = None,
        instantly_conn_id: str = "instantly_default",
        **kwargs: Any,
    ) -> None:
        check_asset_partitions(type(self).__name__)
        super().__init__(**task_arguments(asset, kwargs))
        if policy is not None and on == "code":
            raise ValueError("policy is for on='disposition'.")
        self.asset = asset
        self.name_pattern = name_pattern
        self.on = on
        self.policy = policy
        self._begins_as: SendingCode | None = None
        self.instantly_conn_id = instantly_conn_id
        check_at_parse(self)

    def execute(self, context: Context) -> list[str]:
        """Add the events, and return their partition keys."""
        check_rendered(self)
        save_instantly_link(context, None)
        asset = AssetLedger(context, self.asset, self.instantly_conn_id, health_in_key)
        # Every campaign begins as a draft; what was before an earlier state is not known.
        knows_none = asset.ledger.is_empty
        self._begins_as = SendingCode.CAMPAIGN_DRAFT if asset.has_state and not knows_none else None
        found = {campaign_id: (code, started) for campaign_id, code, started in self._health()}
        reported = asset.reported if knows_none else frozenset[str]()
        changed = asset.find_new(lambda ledger: self._changed(found, ledger, reported))
        newest, now = asset.newest_event_at, datetime.now(timezone.utc)
        return asset.add(
            [health_key(each, code, began_at(found[each][1], newest, now)) for each, code in changed],
            found,
        )

    def _changed(
        self,
        found: Mapping[str, tuple[SendingCode | None, datetime | None]],
        ledger: Ledger,
        reported: Collection[str],
    ) -> list[tuple[str, str]]:
        """Return the campaigns whose health has changed, with their codes; record the unknown ones.

        :param reported: unknown campaigns whose health has changed.
        """
        changed = []
        for campaign_id, (code, _) in found.items():
            recorded = ledger.state(campaign_id)
            if code is None:
                if recorded is None and campaign_id not in reported:
                    ledger.record(campaign_id, _UNREAD)
            elif recorded is None and campaign_id in reported:
                changed.append((campaign_id, code.value))
            else:
                if recorded is None or recorded == _UNREAD:
                    begins_as = self._begins_as if recorded is None else None
                    recorded = (begins_as or code).value
                    ledger.record(campaign_id, recorded)
                if self._health_of(SendingCode(recorded)) != self._health_of(code):
                    changed.append((campaign_id, code.value))
        return changed

    def _health_of(self, code: SendingCode) -> str:
        return code.value if self.on == "code" else self._policy.dispositions[code].value

    def _health(self) -> Iterator[tuple[str, SendingCode | None, datetime | None]]:
        """Yield the id of each campaign, its code, and when its issue began, if Instantly reports that.

        A code of None: the name does not match, or in the first list, the health is not known.
        """
        for campaign in self._hook.list_campaigns():
            try:
                campaign_id = check_uuid(campaign.get("id"), "id").lower()
            except ValueError:
                self.log.warning("The list contains a campaign without a valid id; it is ignored.")
                continue
            if not matches(campaign.get("name"), self.name_pattern):
                yield campaign_id, None, None
                continue
            response = self._sending_status(campaign_id) if has_sending_status(campaign) else None
            reading = read_health(campaign, response, self._policy, datetime.now(timezone.utc))
            if reading is None:
                self.log.info("The health of campaign %s is not known for certain.", campaign_id)
                if self._begins_as is None:
                    yield campaign_id, None, None
                continue
            started = response.issue_started_at if isinstance(response, SendingStatus) else None
            yield campaign_id, SendingCode(reading.code), started

    def _sending_status(self, campaign_id: str) -> SendingStatus | ApiError:
        try:
            return self._hook.get_sending_status(campaign_id)
        except (BadRequestError, MalformedResponseError, NotFoundError) as error:  # about this campaign only
            return error

    @cached_property
    def _policy(self) -> Policy:
        return gate_policy(Intent.SEND, self.policy)

    @cached_property
    def _hook(self) -> hooks.instantly.InstantlyHook:
        return hooks.instantly.InstantlyHook(self.instantly_conn_id)

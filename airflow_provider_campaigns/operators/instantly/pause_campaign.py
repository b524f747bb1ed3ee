"""Pause a campaign in Instantly."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_provider_campaigns import hooks
from airflow_provider_campaigns.links import InstantlyCampaignLink, save_instantly_link
from airflow_provider_campaigns.tasks.arguments import Check, check_at_parse, check_rendered, text, uuid
from airflow_provider_campaigns.tasks.campaign_change import campaign_state, pause_and_verify
from airflow_provider_campaigns.tasks.rendering import RenderedTask

if TYPE_CHECKING:
    from airflow.sdk import Context


class InstantlyPauseCampaignOperator(RenderedTask):
    """Pauses a campaign that is sending, and verifies it; its XCom is the campaign's status afterwards.

    A campaign that is not sending (a draft, a completed or a paused campaign) is not changed. The XCom holds
    ``campaign_id`` and ``status`` (a number).

    https://developer.instantly.ai/api-reference/campaign/stopor-pause-a-campaign

    :param campaign_id: the campaign (templated).
    :param instantly_conn_id: connection of type ``instantly`` (templated).
    """

    template_fields: Sequence[str] = ("campaign_id", "instantly_conn_id")
    arguments: ClassVar[Mapping[str, Check]] = {"campaign_id": uuid, "instantly_conn_id": text}
    operator_extra_links = (InstantlyCampaignLink(),)
    ui_color = "#c9dcfa"

    def __init__(
        self,
        *,
        campaign_id: str,
        instantly_conn_id: str = "instantly_default",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.campaign_id = campaign_id
        self.instantly_conn_id = instantly_conn_id
        check_at_parse(self)

    def execute(self, context: Context) -> dict[str, Any]:
        """Pause the campaign."""
        check_rendered(self)
        save_instantly_link(context, self.campaign_id)
        hook = hooks.instantly.InstantlyHook(self.instantly_conn_id)
        before = campaign_state(hook, self.campaign_id)
        after = pause_and_verify(hook, self.campaign_id, before)
        if before == after:
            self.log.info("%s is already %s.", after.subject, after)
        return {"campaign_id": self.campaign_id, "status": after.status}

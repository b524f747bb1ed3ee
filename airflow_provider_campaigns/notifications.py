"""Stop a campaign when a launch goes wrong: for callbacks, deadline alerts, and whatever takes a notifier.

A notifier is called by Airflow where an error helps no one, so it logs what it could not do and raises
nothing. It tries more than once, because a campaign that was not stopped goes on mailing.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import BaseNotifier

from airflow_provider_campaigns import hooks
from airflow_provider_campaigns.exceptions import ApiError, NotPausedError
from airflow_provider_campaigns.tasks.arguments import text, uuid
from airflow_provider_campaigns.tasks.campaign_change import campaign_state, pause_and_verify
from airflow_provider_campaigns.tasks.templates import is_templated

if TYPE_CHECKING:
    import jinja2
    from airflow.sdk import Context

__all__ = ["InstantlyPauseCampaignNotifier"]

ATTEMPTS = 3
PAUSE = 5.0

log = logging.getLogger(__name__)


class InstantlyPauseCampaignNotifier(BaseNotifier):
    """Pauses a campaign that is sending, verifies it, and logs what it did; it raises nothing.

    ::

        DAG(..., on_failure_callback=InstantlyPauseCampaignNotifier(campaign_id="..."))

    A campaign that is not sending is not changed; one whose state cannot be read is paused. Its key needs the
    scopes ``campaigns:read`` and ``campaigns:update``.

    :param campaign_id: the campaign (templated; a deadline alert has only ``dag_run`` and ``deadline``).
    :param instantly_conn_id: connection of type ``instantly`` (templated).
    :param context: what Airflow passes to the callback of a deadline alert.
    """

    template_fields: Sequence[str] = ("campaign_id", "instantly_conn_id")

    def __init__(
        self,
        *,
        campaign_id: str,
        instantly_conn_id: str = "instantly_default",
        context: Context | None = None,
    ) -> None:
        super().__init__()
        self.context: Any = context or {}
        self.campaign_id = campaign_id
        self.instantly_conn_id = instantly_conn_id
        if context is None:  # a Dag is parsed, in which an error is seen; not a callback
            for name, check in (("campaign_id", uuid), ("instantly_conn_id", text)):
                if not is_templated(getattr(self, name)):
                    check(getattr(self, name), name)

    def render_template_fields(self, context: Context, jinja_env: jinja2.Environment | None = None) -> None:
        """Render the arguments; one that cannot be rendered is logged, and refused afterwards."""
        try:
            super().render_template_fields(context, jinja_env)
        except Exception:
            log.exception("An argument of %s cannot be rendered.", type(self).__name__)

    def notify(self, context: Context) -> None:
        """Pause the campaign."""
        with self._log_failure():
            self._pause(hooks.instantly.InstantlyHook(self.instantly_conn_id))

    async def async_notify(self, context: Context) -> None:
        """Pause the campaign, from an event loop, which this does not block."""
        with self._log_failure():
            hook = hooks.instantly.InstantlyHook(self.instantly_conn_id)
            await hook.aaccount()  # a thread of the triggerer cannot look up a connection
            await asyncio.to_thread(self._pause, hook)

    def _pause(self, hook: hooks.instantly.InstantlyHook) -> None:
        campaign_id = uuid(self.campaign_id, "campaign_id")
        for attempt in range(1, ATTEMPTS + 1):
            before = None
            try:
                before = campaign_state(hook, campaign_id)
                after = pause_and_verify(hook, campaign_id, before)
                break
            except (ApiError, NotPausedError) as error:
                if error.final or (attempt == ATTEMPTS and before):
                    raise
                if attempt == ATTEMPTS:
                    hook.pause_campaign(campaign_id)
                    log.warning("Campaign %s is paused; its state cannot be read: %s", campaign_id, error)
                    return
                log.warning("Campaign %s is not paused yet, trying again: %s", campaign_id, error)
                time.sleep(PAUSE)
            finally:
                hook.close()
        if before == after:
            log.info("%s does not send: it is %s.", after.subject, after)
        else:
            log.warning("%s was %s, and is now %s.", after.subject, before, after)

    @contextmanager
    def _log_failure(self) -> Iterator[None]:
        try:
            yield
        except Exception:
            log.exception(
                "Campaign %s may still send, because it could not be paused. Pause it in Instantly.",
                self.campaign_id,
            )

"""Report which campaigns of Instantly need a person, in one task."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Collection, Mapping, Sequence
from contextlib import closing
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from airflow_provider_campaigns import hooks
from airflow_provider_campaigns.airflow_compat import xcoms_as_list
from airflow_provider_campaigns.exceptions import ApiError, AuthenticationError
from airflow_provider_campaigns.links import InstantlyCampaignLink, save_instantly_link
from airflow_provider_campaigns.rules.health_report import (
    MAX_IDS,
    MAX_MESSAGES,
    HealthReport,
    excluded_status,
    names_of,
)
from airflow_provider_campaigns.rules.many_campaigns import one_or_many
from airflow_provider_campaigns.tasks.arguments import (
    Check,
    check_at_parse,
    check_rendered,
    choice,
    optional,
    path,
    shown,
    text,
    uuid,
)
from airflow_provider_campaigns.tasks.gate import (
    INTENTS,
    POLICY_CODES,
    gate_policy,
    policy_argument,
    push_result,
    push_to_board,
    status_age,
)
from airflow_provider_campaigns.tasks.rendering import RenderedTask
from airflow_provider_campaigns.tasks.storage import check_writable, write

if TYPE_CHECKING:
    from airflow.sdk import Context

log = logging.getLogger(__name__)

_PROGRESS_STEP = 100


def _campaign_ids(value: Any, name: str) -> list[str]:
    ids = one_or_many(xcoms_as_list(value), name, uuid, log.warning)
    if isinstance(ids, str):
        raise ValueError(f"{name} must be a list of ids, got {shown(ids)}.")
    return ids


class InstantlyHealthReportOperator(RenderedTask):
    """Reports which campaigns need a person, in one task for up to thousands of campaigns. It opens nothing.

    The verdict on each campaign is that of :class:`InstantlySendGateOperator`. Requests run at the same time,
    over at most 20 connections, within the connection's ``max_requests_per_second``. A campaign that cannot
    be checked, because it was deleted for example, does not fail the task; an error that concerns all does.
    Where only the list of campaigns fails, named ``campaign_ids`` have no names.

    The XCom is the list of the ids of the campaigns that need a person, at most 1,000, to map over. The XCom
    ``summary`` holds the counts ``campaigns``, ``needs_person``, ``failed`` (could not be checked),
    ``dispositions`` and ``codes``; up to 100 ``messages``, with the names; and the ``path``.

    https://developer.instantly.ai/api-reference/campaign/get-campaign-sending-status

    :param campaign_ids: the campaigns: a list of 1 to 10,000 ids (templated); by default all of the
        workspace, with ``intent="send"`` and ``"add_leads"`` except drafts.
    :param path: a file that gets one line of JSON for each campaign: ``campaign_id``, ``name``,
        ``needs_person`` and the verdict, or ``error`` and ``message``; a path or any URL that Airflow's
        ``ObjectStoragePath`` can write (templated).
    :param intent: what the verdicts are for, as for the gate (templated).
    :param policy: dispositions that differ from the intent's, by code (templated).
    :param max_status_age: how old the data of an opening response may be; a timedelta or seconds, or None for
        the intent's own (templated).
    :param instantly_conn_id: connection of type ``instantly`` (templated).
    """

    template_fields: Sequence[str] = (
        "campaign_ids",
        "path",
        "intent",
        "policy",
        "max_status_age",
        "instantly_conn_id",
    )
    arguments: ClassVar[Mapping[str, Check]] = {
        "campaign_ids": optional(_campaign_ids),
        "path": optional(path),
        "intent": choice(*INTENTS),
        "policy": optional(policy_argument),
        "max_status_age": optional(status_age),
        "instantly_conn_id": text,
    }
    known_names: ClassVar[Mapping[str, Collection[str]]] = {"policy": POLICY_CODES}
    operator_extra_links = (InstantlyCampaignLink(),)
    ui_color = "#c9dcfa"

    def __init__(
        self,
        *,
        campaign_ids: Sequence[str] | None = None,
        path: str | os.PathLike[str] | None = None,
        intent: Literal["send", "add_leads", "activate", "edit"] = "send",
        policy: Mapping[str, str] | None = None,
        max_status_age: timedelta | float | None = None,
        instantly_conn_id: str = "instantly_default",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.campaign_ids = campaign_ids
        self.path = path
        self.intent = intent
        self.policy = policy
        self.max_status_age: Any = max_status_age
        self.instantly_conn_id = instantly_conn_id
        check_at_parse(self)

    def execute(self, context: Context) -> list[str]:
        """Check the campaigns, and write the report.

        :raises ApiError: no campaign could be checked.
        """
        check_rendered(self)
        save_instantly_link(context, None)
        if self.path is not None:
            check_writable(str(self.path))
        report = HealthReport(self._names())
        policy = gate_policy(self.intent, self.policy, self.max_status_age)
        with closing(self._hook.get_verdicts(report.ids(), policy=policy)) as results:
            for campaign_id, result in results:
                report.add(campaign_id, result)
                if report.checked % _PROGRESS_STEP == 0:
                    self.log.info("%s.", report)
        self.log.info("%s.", report)
        for message in report.messages()[:MAX_MESSAGES]:
            self.log.warning("%s", message)
        push_result(context, {**report.summary(), "path": self._write(report)}, "summary")
        push_to_board(context, report.verdicts(), report.names, max_messages=MAX_MESSAGES)
        if error := report.error_of_all():
            self.log.error("No campaign could be checked.")
            raise error
        ids = report.needs_person()
        if len(ids) > MAX_IDS:
            all_of_them = "The path gets all" if self.path else "Set path to get all"
            self.log.warning("The XCom holds the first %s of them. %s.", f"{MAX_IDS:,}", all_of_them)
        return ids[:MAX_IDS]

    def _names(self) -> dict[str, str | None]:
        """Return the campaigns to check, by id, with their names."""
        excluded = excluded_status(self.intent)
        if self.campaign_ids is None:
            filters: dict[str, Any] = {} if excluded is None else {"exclude_status": excluded.value}
            names = names_of(self._hook.list_campaigns(**filters), excluded=excluded)
            self.log.info("The workspace has %s campaigns to check.", f"{len(names):,}")
        else:
            try:
                names = names_of(self._hook.list_campaigns(), wanted=self.campaign_ids)
            except AuthenticationError:  # counts for the verdicts, too
                raise
            except ApiError as error:
                self.log.warning("The report has no names: %s", error)
                names = dict.fromkeys(self.campaign_ids)
        self._hook.close()  # the verdicts have connections of their own
        return names

    def _write(self, report: HealthReport) -> str | None:
        if self.path is None:
            return None
        lines = "".join(f"{json.dumps(row, ensure_ascii=False)}\n" for row in report.rows())
        # A lone surrogate in a name cannot be encoded.
        return write(str(self.path), lines.encode(errors="replace"))

    @cached_property
    def _hook(self) -> hooks.instantly.InstantlyHook:
        return hooks.instantly.InstantlyHook(self.instantly_conn_id)

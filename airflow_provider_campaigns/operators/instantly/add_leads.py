"""Add leads to a campaign in Instantly."""

from __future__ import annotations

import os
import random
import tempfile
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from functools import cached_property
from typing import IO, TYPE_CHECKING, Any, ClassVar, cast

from airflow_provider_campaigns import hooks
from airflow_provider_campaigns.api.instantly import (
    ADD_LEADS_OPTIONS,
    LEAD_FIELDS,
    AddedLeads,
    CheckedLeads,
    check_add_options,
)
from airflow_provider_campaigns.api.values import hide_url_secrets
from airflow_provider_campaigns.exceptions import (
    ApiError,
    ConnectError,
    RateLimitedError,
)
from airflow_provider_campaigns.links import InstantlyCampaignLink, save_instantly_link
from airflow_provider_campaigns.rules.lead_columns import check_columns
from airflow_provider_campaigns.rules.lead_csv import ON_BAD_ROW_CHOICES
from airflow_provider_campaigns.rules.lead_files import (
    Leads,
    LeadSource,
    check_leads,
    format_of,
    from_file,
    from_sequence,
)
from airflow_provider_campaigns.rules.lead_upload import UploadProgress
from airflow_provider_campaigns.rules.send_gate import Intent
from airflow_provider_campaigns.tasks.arguments import (
    Check,
    check_at_parse,
    check_rendered,
    choice,
    mapping,
    optional,
    path,
    strict_flag,
    text,
    uuid,
)
from airflow_provider_campaigns.tasks.gate import (
    POLICY_CODES,
    check_gate,
    gate_policy,
    policy_argument,
    push_result,
    refuse_without_check_gate,
    status_age,
)
from airflow_provider_campaigns.tasks.lineage import read_file, wrote_campaign
from airflow_provider_campaigns.tasks.rendering import RenderedTask
from airflow_provider_campaigns.tasks.storage import opened_text, write_file
from airflow_provider_campaigns.tasks.task_state import TaskState
from airflow_provider_campaigns.tasks.templates import NestedFields, is_templated
from airflow_provider_campaigns.transport.retry import NO_RETRY, Retry

if TYPE_CHECKING:
    from airflow.sdk import Context

_PROGRESS = "lead_upload"
# A batch that was refused for coming too soon was not added.
_BATCH_RETRY = Retry(not_received=(ConnectError, RateLimitedError))


def _leads(value: Any, name: str) -> Sequence[Any]:
    if not isinstance(value, Sequence) or isinstance(value, (str, bytes)) or not value:
        raise ValueError(
            f"{name} must be a list of at least one mapping with an 'email', got {type(value).__name__}"
            f"{' (empty)' if value in ([], ()) else ''}. A list that another task returned is passed as that "
            f"task's output, not as a template, which would turn it into a string."
        )
    return value


def _leads_path(value: Any, name: str) -> str:
    checked = path(value, name)
    format_of(checked, name)
    return checked


def _columns(value: Any, name: str) -> Mapping[str, str | None]:
    columns = dict(mapping(value, name))
    check_columns(columns)
    return columns


def _options(value: Any, name: str) -> dict[str, Any]:
    options = mapping(value, name)
    check_add_options(options)
    return dict(options)


def _bad_rows(leads: Leads) -> dict[str, Any]:
    found = leads.bad_rows
    return {"bad_rows": found.count, "bad_rows_first": found.first} if found.count else {}


class InstantlyAddLeadsOperator(RenderedTask):
    """Adds leads to a campaign; its XCom counts the leads that were added and those that were not.

    Leads come from a list or from a file, which is read row by row and never held in memory as a whole. All
    leads are checked before the first is uploaded. They are uploaded in batches of 1,000.

    After a try that failed or died, the next one continues at the batch that it had reached, if the leads are
    the same (from Airflow 3.3 on; before, the next try uploads all leads again). No lead is added twice:
    Instantly leaves out leads that the campaign already has, and counts them as duplicated.

    A lead that Instantly does not account for does not block the leads after it: they are uploaded, and then
    the task fails with :class:`~airflow_provider_campaigns.exceptions.LeadsUnaccountedError`. If the plan is
    full, the same error ends the upload at once.

    With ``check_gate=True`` the campaign's sending status is checked right before each batch, as
    :class:`InstantlySendGateOperator` does with ``intent="add_leads"``. If the gate is no longer open, no
    further batch is uploaded: :class:`SendGateClosedError` where a person has to act, or
    :class:`~airflow_provider_campaigns.exceptions.SendsInterruptedError`, which Airflow's ``retries`` repeat,
    where it may open again without a person. The message and the XCom say how many leads were uploaded.

    The XCom holds ``campaign_id``, ``complete``, ``leads`` (how many there are) and the service's counts:
    ``total_sent``, ``leads_uploaded``, ``duplicated_leads``, ``skipped_count``, ``in_blocklist``,
    ``invalid_email_count``, ``incomplete_count``, ``duplicate_email_count``, ``remaining_in_plan``. Where
    there are any, also ``bad_rows`` (a number) and ``bad_rows_first`` (ten of them), ``unaccounted`` (a
    number) and ``unaccounted_leads`` (ten of them, as numbers from 1).

    https://developer.instantly.ai/api-reference/lead/add-leads-in-bulk-to-a-campaign-or-list

    :param campaign_id: the campaign (templated).
    :param leads: a list of mappings, each with an ``email`` and other fields of a lead (templated). A field
        whose template renders to nothing is left out.
    :param leads_path: instead of ``leads``: a UTF-8 file, as a path or any URL that Airflow's
        ``ObjectStoragePath`` can read (templated). ``.csv`` has a header with at least an e-mail address;
        columns that are not fields of a lead become custom variables. ``.jsonl`` or ``.ndjson`` has one lead
        a line.
    :param columns: for ``.csv``: what becomes of a column, by its name: a field of a lead, a custom variable,
        or None to leave it out. It overrides the well-known headers; ``{}`` maps no column (templated).
    :param on_bad_row: what happens if a row is not a lead: ``"fail"`` before anything is uploaded, or
        ``"skip"`` it.
    :param bad_rows_path: a file that gets one line for each bad row, with its place and the reason; written
        only if there are any (templated).
    :param check_only: check the leads and upload nothing. Such a task finds bad rows before another task
        spends a credit; its XCom counts ``leads`` and bad rows.
    :param options: ``skip_if_in_workspace``, ``skip_if_in_campaign``, ``skip_if_in_list``,
        ``verify_leads_on_import``, ``blocklist_id``, ``assigned_to``; and ``more``, a mapping of undocumented
        ones (templated).
    :param check_gate: check the campaign before each batch.
    :param policy: for ``check_gate``: dispositions that differ from the default, by code (templated).
    :param max_status_age: for ``check_gate``: how old the data may be; a timedelta or seconds, or None for
        the intent's own (templated).
    :param instantly_conn_id: connection of type ``instantly`` (templated).
    """

    unrendered_if_mapped = ("leads",)
    without_comment = ("leads",)
    template_fields: Sequence[str] = (
        "campaign_id", "leads", "leads_path", "columns", "bad_rows_path", "options", "policy",
        "max_status_age", "instantly_conn_id",
    )  # fmt: skip
    arguments: ClassVar[Mapping[str, Check]] = {
        "campaign_id": uuid,
        "leads": optional(_leads),
        "leads_path": optional(_leads_path),
        "columns": optional(_columns),
        "on_bad_row": choice(*ON_BAD_ROW_CHOICES),
        "bad_rows_path": optional(path),
        "check_only": strict_flag,
        "options": optional(_options),
        "check_gate": strict_flag,
        "policy": optional(policy_argument),
        "max_status_age": optional(status_age),
        "instantly_conn_id": text,
    }
    known_names: ClassVar[Mapping[str, Collection[str]]] = {
        "options": (*ADD_LEADS_OPTIONS, "more"),
        "policy": POLICY_CODES,
    }
    nested_fields: ClassVar[Mapping[str, NestedFields]] = {
        "leads": NestedFields(texts=LEAD_FIELDS - {"lt_interest_status"}, required={"email"}),
        "options": NestedFields(texts=("blocklist_id", "assigned_to")),
    }
    template_fields_renderers = {"leads": "json"}  # noqa: RUF012
    operator_extra_links = (InstantlyCampaignLink(),)
    ui_color = "#c9dcfa"

    def __init__(
        self,
        *,
        campaign_id: str,
        leads: Sequence[Mapping[str, Any]] | None = None,
        leads_path: str | os.PathLike[str] | None = None,
        columns: Mapping[str, str | None] | None = None,
        on_bad_row: str = "fail",
        bad_rows_path: str | os.PathLike[str] | None = None,
        check_only: bool = False,
        options: Mapping[str, Any] | None = None,
        check_gate: bool = False,
        policy: Mapping[str, str] | None = None,
        max_status_age: timedelta | float | str | None = None,
        instantly_conn_id: str = "instantly_default",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if (leads is None) == (leads_path is None):
            raise ValueError("Set either leads or leads_path.")
        self.campaign_id = campaign_id
        self.leads = leads
        self.leads_path = leads_path
        self.columns = columns
        self.on_bad_row = on_bad_row
        self.bad_rows_path = bad_rows_path
        self.check_only = check_only
        self.options = options
        self.check_gate = check_gate
        self.policy = policy
        self.max_status_age: Any = max_status_age
        self.instantly_conn_id = instantly_conn_id
        self.check_no_comment()
        refuse_without_check_gate(self)
        check_at_parse(self)
        if not is_templated(self.leads_path, self):
            self._file_format()
        if leads is not None and on_bad_row == "fail" and not is_templated(leads, self):
            check_leads(from_sequence(leads, "leads"))

    def execute(self, context: Context) -> dict[str, Any]:
        """Add the leads, batch by batch."""
        check_rendered(self)
        save_instantly_link(context, self.campaign_id)
        leads = self._checked_leads()
        if self.leads_path is not None:
            read_file(self._hook, str(self.leads_path))
        if self.check_only:
            self.log.info("%s leads are valid. None is uploaded, because of check_only.", f"{leads.count:,}")
            return {"leads": leads.count, **_bad_rows(leads)}
        wrote_campaign(self._hook, self.campaign_id)
        state = TaskState(context)
        progress = self._progress(state, leads)
        try:
            for batch in leads.batches(after=progress.done):
                kept_out = progress.count(self._send(batch, progress), len(batch))
                state.set(_PROGRESS, progress.as_dict())
                self.log.info("%s.", progress)
                progress.check_room(kept_out)
            progress.check_accounted()
        except Exception:
            rest = " A retry uploads the rest." if progress.done < progress.leads else ""
            # TRY400: the error itself is logged by Airflow.
            self.log.error("%s.%s", progress, rest)  # noqa: TRY400
            push_result(context, self._result(progress, leads))
            raise
        # A task that is cleared after its success uploads all leads again.
        state.delete(_PROGRESS)
        return self._result(progress, leads)

    def _checked_leads(self) -> Leads:
        source = self._source()
        with self._bad_rows_file() as add_line:
            leads = check_leads(source, skip_bad_rows=self.on_bad_row == "skip", on_bad_row=add_line)
        if leads.plan is not None:
            self.log.info("%s", leads.plan)
            for name, field in leads.plan.near_misses().items():
                self.log.warning("%r becomes a custom variable. Did you mean %s? Use columns.", name, field)
        if leads.several_addresses:
            self.log.info(
                "Rows with several addresses, of which the first is used: %s.", f"{leads.several_addresses:,}"
            )
        if leads.bad_rows.count:
            self.log.warning("Left out: %s", leads.bad_rows)
        return leads

    @contextmanager
    def _bad_rows_file(self) -> Iterator[Callable[[str], None] | None]:
        """Collect lines, and write them to ``bad_rows_path`` if there are any, also if the check fails."""
        if self.bad_rows_path is None:
            yield None
            return
        with tempfile.TemporaryFile("w+", encoding="utf-8") as lines:
            try:
                yield lambda line: print(line, file=lines)
            finally:
                if lines.tell():
                    lines.seek(0)
                    write_file(str(self.bad_rows_path), cast("IO[bytes]", lines.buffer))

    def _result(self, progress: UploadProgress, leads: Leads) -> dict[str, Any]:
        return {**progress.summary(), **_bad_rows(leads)}

    def _send(self, batch: CheckedLeads, progress: UploadProgress) -> AddedLeads:
        """Upload a batch right after a check of the gate, again while it is certain that it was not added."""
        attempt = 0
        while True:
            attempt += 1
            self._check_gate(progress)
            try:
                return self._hook.add_leads(self.campaign_id, batch, retry=NO_RETRY, **(self.options or {}))
            except ApiError as error:
                pause = _BATCH_RETRY.after_failure(error, attempt, idempotent=False, jitter=random.random())
                if pause is None:
                    raise
                self.log.warning("A batch was not accepted, retrying in %.1f s: %s", pause, error)
                self._hook.metrics.retry()
            time.sleep(pause)

    def _source(self) -> LeadSource:
        file_format, source = self._file_format(), str(self.leads_path)
        if file_format is None:
            return from_sequence(self.leads or ())
        return from_file(lambda: opened_text(source), hide_url_secrets(source), file_format, self.columns)

    def _file_format(self) -> str | None:
        """Return the format of the file of leads; None for a list.

        :raises ValueError: it has no columns, although ``columns`` is set.
        """
        found = None if self.leads_path is None else format_of(str(self.leads_path), "leads_path")
        if self.columns is not None and found != "csv":
            raise ValueError("columns is for leads_path with a .csv file.")
        return found

    def _progress(self, state: TaskState, leads: Leads) -> UploadProgress:
        """Return how far an earlier try came with the same leads for the same campaign."""
        fresh = UploadProgress(self.campaign_id, leads.fingerprint, leads.count)
        stored = UploadProgress.from_dict(state.get(_PROGRESS))
        if stored is None or (stored.campaign_id, stored.fingerprint) != (
            fresh.campaign_id,
            fresh.fingerprint,
        ):
            return fresh
        self.log.info("Continuing where an earlier try stopped: %s.", stored)
        return stored

    def _check_gate(self, progress: UploadProgress) -> None:
        if not self.check_gate:
            return
        policy = gate_policy(Intent.ADD_LEADS, self.policy, self.max_status_age)
        check_gate(self._hook, self.campaign_id, policy, f"{progress}; the rest was not uploaded.")

    @cached_property
    def _hook(self) -> hooks.instantly.InstantlyHook:
        return hooks.instantly.InstantlyHook(self.instantly_conn_id)

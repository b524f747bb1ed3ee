"""Change a campaign in Instantly."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_provider_campaigns import hooks
from airflow_provider_campaigns.api.instantly import CAMPAIGN_FIELDS, check_campaign_fields
from airflow_provider_campaigns.exceptions import NotUpdatedError
from airflow_provider_campaigns.links import InstantlyCampaignLink, save_instantly_link
from airflow_provider_campaigns.rules.campaign_copy import (
    change_variant,
    differing,
    shown_of,
    step_index,
    variant_index,
)
from airflow_provider_campaigns.rules.send_gate import Intent
from airflow_provider_campaigns.tasks.arguments import (
    Check,
    any_text,
    check_at_parse,
    check_rendered,
    flag,
    html_text,
    mapping,
    optional,
    path,
    shown,
    strict_flag,
    text,
    uuid,
)
from airflow_provider_campaigns.tasks.campaign_change import send_and_verify
from airflow_provider_campaigns.tasks.gate import (
    POLICY_CODES,
    check_gate,
    gate_policy,
    policy_argument,
    refuse_without_check_gate,
    status_age,
)
from airflow_provider_campaigns.tasks.rendering import RenderedTask
from airflow_provider_campaigns.tasks.storage import read_text
from airflow_provider_campaigns.tasks.templates import NestedFields

if TYPE_CHECKING:
    from airflow.sdk import Context


def _fields(value: Any, name: str) -> dict[str, Any]:
    fields = mapping(value, name)
    _check_no_sequences(fields)
    if fields and not check_campaign_fields(fields):
        raise ValueError(f"{name} contains no field to change.")
    return dict(fields)


def _check_no_sequences(fields: Any) -> None:
    more = fields.get("more") if isinstance(fields, Mapping) else None
    if isinstance(fields, Mapping) and (
        "sequences" in fields or (isinstance(more, Mapping) and "sequences" in more)
    ):
        raise ValueError(
            "fields must not contain sequences, which would replace all copy: use html, step and variant."
        )


class InstantlyUpdateCampaignOperator(RenderedTask):
    """Changes a campaign: whole fields, or the HTML of one step and variant of its sequence.

    Instantly replaces all copy at once. So the operator reads the copy, changes one body (and subject) in it,
    writes all of it, and reads it again: if text, a link, a merge tag or a variant is lost, it raises
    :class:`~airflow_provider_campaigns.exceptions.NotUpdatedError`. Other steps, variants and settings keep
    their values. An edit that somebody makes in Instantly between the two requests is lost. A campaign that
    already shows the wanted copy is not written; HTML is compared by its meaning.

    With ``check_gate=True`` the campaign's sending status is checked right before the campaign is written, as
    :class:`InstantlySendGateOperator` does with ``intent="edit"``: while mail may go out, nothing is written.
    The task then raises :class:`SendGateClosedError` where a person has to act, or
    :class:`~airflow_provider_campaigns.exceptions.SendsInterruptedError`, which Airflow's ``retries`` repeat.

    The XCom holds ``campaign_id``, ``updated`` (the fields that were written) and, for copy, ``step`` and
    ``variant``.

    https://developer.instantly.ai/api-reference/campaign/patch-campaign

    :param campaign_id: the campaign (templated).
    :param html: the new body (templated); set this or ``html_path`` to change copy. Pass a literal with merge
        tags such as ``{{firstName}}`` as ``literal(html)``.
    :param html_path: a file with the new body, as ``CampaignCleanerGetCampaignOperator`` wrote it: a path or
        any URL that Airflow's ``ObjectStoragePath`` can read (templated).
    :param step: the step whose copy changes: an index from 0, or ``"Step 1"`` as Instantly shows it
        (templated).
    :param variant: the variant of the step: an index from 0, or ``"A"`` as Instantly shows it (templated).
    :param enable_variant: also enable the variant if it is disabled, which else is an error (templated).
    :param subject: a new subject for that variant (templated).
    :param fields: other fields, each replaced as a whole, such as ``{"daily_limit": 50}`` (templated). Text
        such as ``"50"`` becomes the type that the vendor documents. ``more`` holds undocumented fields.
    :param check_gate: write only while no mail goes out.
    :param policy: for ``check_gate``: dispositions that differ from the default, by code (templated).
    :param max_status_age: for ``check_gate``: how old the data may be; a timedelta or seconds, or None for
        the intent's own (templated).
    :param instantly_conn_id: connection of type ``instantly`` (templated).
    """

    unrendered_if_mapped = (
        "html",
        "subject",
    )
    without_comment = ("html", "subject", "fields")
    template_fields: Sequence[str] = (
        "campaign_id",
        "html",
        "html_path",
        "step",
        "variant",
        "enable_variant",
        "subject",
        "fields",
        "policy",
        "max_status_age",
        "instantly_conn_id",
    )
    arguments: ClassVar[Mapping[str, Check]] = {
        "campaign_id": uuid,
        "html": optional(html_text),
        "html_path": optional(path),
        "step": step_index,
        "variant": variant_index,
        "enable_variant": flag,
        "subject": optional(any_text),
        "fields": optional(_fields),
        "check_gate": strict_flag,
        "policy": optional(policy_argument),
        "max_status_age": optional(status_age),
        "instantly_conn_id": text,
    }
    known_names: ClassVar[Mapping[str, Collection[str]]] = {
        "fields": {*CAMPAIGN_FIELDS, "more"},
        "policy": POLICY_CODES,
    }
    nested_fields: ClassVar[Mapping[str, NestedFields]] = {
        "fields": NestedFields(texts=("name", "ai_sdr_id", "owned_by"))
    }
    template_fields_renderers = {"html": "html", "fields": "json"}  # noqa: RUF012
    operator_extra_links = (InstantlyCampaignLink(),)
    ui_color = "#c9dcfa"

    def __init__(
        self,
        *,
        campaign_id: str,
        html: str | None = None,
        html_path: str | None = None,
        step: int | str = 0,
        variant: int | str = 0,
        enable_variant: bool = False,
        subject: str | None = None,
        fields: Mapping[str, Any] | None = None,
        check_gate: bool = False,
        policy: Mapping[str, str] | None = None,
        max_status_age: timedelta | float | str | None = None,
        instantly_conn_id: str = "instantly_default",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if html is not None and html_path is not None:
            raise ValueError("Set html or html_path, not both.")
        if html is None and html_path is None and subject is None and not fields:
            raise ValueError("Nothing to update: set html, html_path, subject or fields.")
        self.campaign_id = campaign_id
        self.html = html
        self.html_path = html_path
        self.step: Any = step
        self.variant: Any = variant
        self.enable_variant = enable_variant
        self.subject = subject
        self.fields = fields
        self.check_gate = check_gate
        self.policy = policy
        self.max_status_age: Any = max_status_age
        self.instantly_conn_id = instantly_conn_id
        _check_no_sequences(fields)
        self.check_no_comment()
        refuse_without_check_gate(self)
        check_at_parse(self)

    def execute(self, context: Context) -> dict[str, Any]:
        """Read, change, write, verify."""
        check_rendered(self)
        save_instantly_link(context, self.campaign_id)
        copy = self._copy()
        before = self._hook.get_campaign(self.campaign_id)
        wanted = check_campaign_fields(self.fields or {})
        if copy:
            wanted["sequences"], name = change_variant(
                before, self.step, self.variant, copy, enable=self.enable_variant
            )
            self.log.info("Campaign %s: %s.", self.campaign_id, name)
        changes = differing(wanted, before)
        if changes:
            self._write(changes, {name: before.get(name) for name in changes})
        else:
            self.log.info("Campaign %s already shows all of it.", self.campaign_id)
        result: dict[str, Any] = {"campaign_id": self.campaign_id, "updated": sorted(changes)}
        return {**result, "step": self.step, "variant": self.variant} if copy else result

    def _copy(self) -> dict[str, str]:
        """Return the fields of the variant that change."""
        # Imported here, because only a worker reads HTML.
        from airflow_provider_campaigns.rules.html import Html

        html = self.html
        if self.html_path is not None:
            html = html_text(read_text(self.html_path), f"html_path {shown(self.html_path)}")
        if html is not None and Html(html).is_blank:
            raise ValueError("The new body is empty: it has no text and no element.")
        return {
            name: value for name, value in (("body", html), ("subject", self.subject)) if value is not None
        }

    def _write(self, changes: Mapping[str, Any], before: Mapping[str, Any]) -> None:
        """Write the changes once, and verify that the campaign shows them."""
        if self.check_gate:
            policy = gate_policy(Intent.EDIT, self.policy, self.max_status_age)
            check_gate(self._hook, self.campaign_id, policy, "Nothing was changed.")
        undocumented = (self.fields or {}).get("more") or {}
        more = {name: changes[name] for name in changes.keys() & undocumented.keys()}
        documented = {name: value for name, value in changes.items() if name not in more}
        after = send_and_verify(
            lambda: self._hook.update_campaign(self.campaign_id, **documented, more=more),
            lambda: self._hook.get_campaign(self.campaign_id),
            lambda campaign: (
                not differing(changes, campaign)
                or (not shown_of(changes, campaign).lost and bool(differing(before, campaign)))
            ),
        )
        shown = shown_of(changes, after)
        if shown.lost:
            raise NotUpdatedError(
                f"Instantly accepted the update of campaign {self.campaign_id}, but shows other values: "
                f"{'; '.join(shown.lost)}. Look at the campaign in Instantly before anything is sent."
            )
        for place in shown.altered:
            self.log.warning(
                "Instantly shows the text, links and merge tags of %s, but changed its styles, comments or "
                "elements. The next run writes it again.",
                place,
            )
        self.log.info("Campaign %s shows the new %s.", self.campaign_id, ", ".join(sorted(changes)))

    @cached_property
    def _hook(self) -> hooks.instantly.InstantlyHook:
        return hooks.instantly.InstantlyHook(self.instantly_conn_id)

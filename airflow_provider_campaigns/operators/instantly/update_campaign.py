"""Change a campaign in Instantly."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from functools import cached_property
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import BaseOperator

from airflow_provider_campaigns.api.values import check_uuid
from airflow_provider_campaigns.exceptions import NotUpdatedError
from airflow_provider_campaigns.hooks.instantly import InstantlyHook
from airflow_provider_campaigns.links import InstantlyCampaignLink, save_instantly_link
from airflow_provider_campaigns.tasks.arguments import check_unless_templated, is_templated
from airflow_provider_campaigns.tasks.campaign_change import send_and_verify
from airflow_provider_campaigns.tasks.storage import read_text

if TYPE_CHECKING:
    from airflow.sdk import Context


class InstantlyUpdateCampaignOperator(BaseOperator):
    """Changes a campaign: whole fields, or the HTML of one step and variant of its sequence.

    Instantly replaces all copy at once. So the operator reads the copy, changes one body (and subject) in it,
    writes all of it, and reads it again: if the campaign then shows anything else, it raises
    :class:`~airflow_provider_campaigns.exceptions.NotUpdatedError`. Other steps, variants and settings keep
    their values. An edit that somebody makes in Instantly between the two requests is lost. A campaign that
    already shows the wanted copy is not written.

    The XCom holds ``campaign_id``, ``updated`` (the fields that were written) and, for copy, ``step`` and
    ``variant``.

    https://developer.instantly.ai/api-reference/campaign/patch-campaign

    :param campaign_id: the campaign (templated).
    :param html: the new body (templated); set this or ``html_path`` to change copy. Pass a literal with merge
        tags such as ``{{firstName}}`` as ``literal(html)``.
    :param html_path: a file with the new body, as ``CampaignCleanerGetCampaignOperator`` wrote it: a path or
        any URL that Airflow's ``ObjectStoragePath`` can read (templated).
    :param step: the step whose copy changes, counted from 0 as in Instantly's analytics.
    :param variant: the variant of the step, counted from 0.
    :param subject: a new subject for that variant (templated).
    :param fields: other fields, each replaced as a whole, such as ``{"daily_limit": 50}`` (templated).
    :param instantly_conn_id: connection of type ``instantly`` (templated).
    """

    template_fields: Sequence[str] = (
        "campaign_id",
        "html",
        "html_path",
        "subject",
        "fields",
        "instantly_conn_id",
    )
    template_fields_renderers = {"html": "html", "fields": "json"}  # noqa: RUF012
    operator_extra_links = (InstantlyCampaignLink(),)
    ui_color = "#c9dcfa"

    def __init__(
        self,
        *,
        campaign_id: str,
        html: str | None = None,
        html_path: str | None = None,
        step: int = 0,
        variant: int = 0,
        subject: str | None = None,
        fields: Mapping[str, Any] | None = None,
        instantly_conn_id: str = InstantlyHook.default_conn_name,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        check_unless_templated(check_uuid, campaign_id, "campaign_id")
        if html is not None and html_path is not None:
            raise ValueError("Set html or html_path, not both.")
        if html is None and html_path is None and subject is None and not fields:
            raise ValueError("Nothing to update: set html, html_path, subject or fields.")
        if isinstance(html, str) and "{#" in html:
            raise ValueError(
                "html contains '{#', which begins a comment in a template: the text after it would be lost. "
                "Pass the "
                "HTML as another task's output or as literal(html): neither is rendered."
            )
        texts = {"html": html, "html_path": html_path, "subject": subject}
        for name, text in texts.items():
            if text is not None:
                check_unless_templated(_check_text, text, name)
        if fields is not None and (isinstance(fields, Mapping) or not is_templated(fields)):
            _check_fields(fields)
        for name, position in (("step", step), ("variant", variant)):
            if isinstance(position, bool) or not isinstance(position, int) or position < 0:
                raise ValueError(f"{name} must be an integer, counted from 0; got {position!r}.")
        self.campaign_id = campaign_id
        self.html = html
        self.html_path = html_path
        self.step = step
        self.variant = variant
        self.subject = subject
        self.fields = fields
        self.instantly_conn_id = instantly_conn_id
        self._given = [name for name, value in {**texts, "fields": fields}.items() if value is not None]

    def execute(self, context: Context) -> dict[str, Any]:
        """Read, change, write, verify."""
        check_uuid(self.campaign_id, "campaign_id")
        self._check_rendered()
        save_instantly_link(context, self.campaign_id)
        copy = self._copy()
        before = self._hook.get_campaign(self.campaign_id)
        wanted: dict[str, Any] = dict(self.fields or {})
        if copy:
            wanted["sequences"] = self._sequences_with(copy, before)
        changes = {name: value for name, value in wanted.items() if before.get(name) != value}
        if changes:
            self._write(changes)
        else:
            self.log.info("Campaign %s already shows all of it.", self.campaign_id)
        result: dict[str, Any] = {"campaign_id": self.campaign_id, "updated": sorted(changes)}
        return {**result, "step": self.step, "variant": self.variant} if copy else result

    def _check_rendered(self) -> None:
        """Refuse an argument that was set but rendered to nothing: the update would leave it out silently."""
        for name in self._given:
            if getattr(self, name) in (None, "None"):
                raise ValueError(
                    f"{name} was set, but it rendered to nothing. If it comes from another task, did that "
                    f"task push it?"
                )
            if name == "fields":
                _check_fields(self.fields)
            else:
                _check_text(getattr(self, name), name)

    def _copy(self) -> dict[str, str]:
        """Return the fields of the variant that change."""
        html = self.html
        if self.html_path is not None:
            html = read_text(self.html_path)
            _check_text(html, f"html_path: {self.html_path!r}")
        return {name: text for name, text in (("body", html), ("subject", self.subject)) if text is not None}

    def _sequences_with(self, copy: Mapping[str, str], campaign: Mapping[str, Any]) -> list[Any]:
        """Return the campaign's sequences with one variant changed."""
        sequences: Any = deepcopy(campaign.get("sequences"))
        steps = _list_at(sequences, 0, "steps")
        variants = _list_at(steps, self.step, "variants")
        if not 0 <= self.step < len(steps):
            raise ValueError(
                f"Campaign {self.campaign_id} has no step {self.step}, counted from 0: it has {len(steps)}."
            )
        if not 0 <= self.variant < len(variants) or not isinstance(variants[self.variant], dict):
            raise ValueError(
                f"Step {self.step} of campaign {self.campaign_id} has no variant {self.variant}, counted "
                f"from 0: it has {len(variants)}."
            )
        variants[self.variant].update(copy)
        return list(sequences)

    def _write(self, changes: Mapping[str, Any]) -> None:
        """Write the changes once, and verify that the campaign shows them."""
        after = send_and_verify(
            lambda: self._hook.update_campaign(self.campaign_id, **changes),
            lambda: self._hook.get_campaign(self.campaign_id),
            lambda campaign: not _missing(changes, campaign),
        )
        if wrong := _missing(changes, after):
            raise NotUpdatedError(
                f"Instantly accepted the update of campaign {self.campaign_id}, but shows other values for "
                f"{', '.join(wrong)}. Look at the campaign in Instantly before anything is sent."
            )
        self.log.info("Campaign %s shows the new %s.", self.campaign_id, ", ".join(sorted(changes)))

    @cached_property
    def _hook(self) -> InstantlyHook:
        return InstantlyHook(self.instantly_conn_id)


def _check_text(value: Any, name: str) -> None:
    """Refuse what is not a string; only a subject may be empty, as it is in a follow-up mail."""
    if not isinstance(value, str):
        raise ValueError(f"{name} must be a string, got {type(value).__name__}.")
    if name != "subject" and not value.strip():
        raise ValueError(f"{name} is empty.")


def _check_fields(fields: Any) -> None:
    if not isinstance(fields, Mapping) or not all(isinstance(name, str) for name in fields):
        raise ValueError(f"fields must be a mapping of field names to values, got {type(fields).__name__}.")
    if "sequences" in fields:
        raise ValueError(
            "fields must not contain sequences, which would replace all copy: use html, step and variant."
        )


def _missing(changes: Mapping[str, Any], campaign: Mapping[str, Any]) -> list[str]:
    """Return the fields of a campaign that do not show the written values."""
    return sorted(name for name, value in changes.items() if not _shows(campaign.get(name), value))


def _shows(found: Any, wanted: Any) -> bool:
    """Return whether a found value contains the wanted one; fields may be added, white space may differ."""
    if isinstance(wanted, Mapping):
        return isinstance(found, Mapping) and all(
            _shows(found.get(name), each) for name, each in wanted.items()
        )
    if isinstance(wanted, (list, tuple)):
        return (
            isinstance(found, list)
            and len(found) == len(wanted)
            and all(_shows(one, other) for one, other in zip(found, wanted, strict=True))
        )
    if isinstance(wanted, str):
        return isinstance(found, str) and found.split() == wanted.split()
    return bool(found == wanted)


def _list_at(items: Any, position: int, field: str) -> list[Any]:
    """Return the list in a field of an item of a list; an empty list where there is none."""
    item = items[position] if isinstance(items, list) and position < len(items) else None
    found = item.get(field) if isinstance(item, dict) else None
    return found if isinstance(found, list) else []

"""What Campaign Cleaner does to the HTML of a campaign."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal

from airflow_provider_campaigns.api.field_types import FieldType, json_form, typed
from airflow_provider_campaigns.api.values import check_names, shown, without_none

_ALIGNMENTS = ("left", "center", "right")


@dataclass(frozen=True)
class SurroundingDiv:
    """A box around the whole campaign.

    :param max_width: in pixels.
    :param text_align: ``"left"``, ``"center"`` or ``"right"``.
    :param font_size: in pixels.
    :param center_to_parent: centre the box in its parent element.
    """

    max_width: int | None = None
    text_align: Literal["left", "center", "right"] | None = None
    font_size: int | None = None
    center_to_parent: bool | None = None


@dataclass(frozen=True, kw_only=True)
class CampaignSettings:
    """What Campaign Cleaner does to a campaign's HTML; None leaves a setting at the service's default.

    The vendor documents only some of these; the others have the names that its other clients use. An option
    that is missing here goes into ``more``, under the vendor's name.

    https://docs.campaigncleaner.com/api-reference/endpoint/send-campaign

    :param adjust_font_colors: replace colours that spam filters object to by similar ones. Default: on.
    :param adjust_font_size: keep font sizes between the next two settings. Default: on.
    :param min_font_size_allowed: in pixels. Default: 10.
    :param max_font_size_allowed: in pixels. Default: 32.
    :param convert_h_to_p_tags: turn headings into paragraphs of the same size. Default: off.
    :param convert_tables_to_divs: experimental. Default: off.
    :param inline_css: move CSS into the elements. Default: on.
    :param inline_css_important: mark inlined CSS as important. Default: off.
    :param preserve_media_queries: keep media queries. Default: on.
    :param media_queries_important: mark them as important. Default: on.
    :param remove_css_inheritance: remove CSS that a child inherits anyway. Default: on.
    :param remove_classes_and_ids: remove ``class`` and ``id`` once CSS is inlined. Default: on.
    :param remove_comments: remove HTML and CSS comments. Default: on.
    :param remove_control_non_printable: remove control characters. Default: on.
    :param remove_successive_punctuation: replace ``!!!!`` by one character. Default: off.
    :param replace_diacritics: replace accented letters by plain ones. Default: on, which damages text that is
        not English.
    :param replace_non_ascii_characters: replace characters outside ASCII by similar ones. Default: on, which
        damages such text too.
    :param remove_image_height: remove the heights of images. Default: off.
    :param image_max_width: a maximum width for all images, in pixels. The service's clients disagree about
        the name of this option; if this one has no effect, put ``set_image_max_width`` into ``more`` instead.
    :param remove_large_widths_over: experimental: remove larger widths outside images and tables, in pixels.
    :param resize_and_host: resize images and host them with the vendor. Default: off.
    :param host_extensionless_images: also host images without a file extension. Default: off.
    :param relative_links_base_url: the base URL that makes relative links absolute.
    :param surrounding_div: a box around the whole campaign.
    :param minify_html: minify the HTML; known from one older client.
    :param treat_as_fragment: keep only the content of the body; known from one older client.
    :param more: further options, under the vendor's names.
    """

    adjust_font_colors: bool | None = None
    adjust_font_size: bool | None = None
    min_font_size_allowed: int | None = None
    max_font_size_allowed: int | None = None
    convert_h_to_p_tags: bool | None = None
    convert_tables_to_divs: bool | None = None
    inline_css: bool | None = None
    inline_css_important: bool | None = None
    preserve_media_queries: bool | None = None
    media_queries_important: bool | None = None
    remove_css_inheritance: bool | None = None
    remove_classes_and_ids: bool | None = None
    remove_comments: bool | None = None
    remove_control_non_printable: bool | None = None
    remove_successive_punctuation: bool | None = None
    replace_diacritics: bool | None = None
    replace_non_ascii_characters: bool | None = None
    remove_image_height: bool | None = None
    image_max_width: int | None = None
    remove_large_widths_over: int | None = None
    resize_and_host: bool | None = None
    host_extensionless_images: bool | None = None
    relative_links_base_url: str | None = None
    surrounding_div: SurroundingDiv | Mapping[str, Any] | None = None
    minify_html: bool | None = None
    treat_as_fragment: bool | None = None
    more: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse an option that is set both here and in ``more``.

        :raises ValueError: names the option.
        """
        if duplicates := sorted(set(self.more) & set(self._own())):
            raise ValueError(f"settings.more must not contain {', '.join(duplicates)}: it is set already.")

    def as_dict(self) -> dict[str, Any]:
        """Return the settings that are set, under the vendor's names; ``more`` stays nested."""
        return {**self._own(), "more": dict(self.more)} if self.more else self._own()

    def _own(self) -> dict[str, Any]:
        own = {each.name: getattr(self, each.name) for each in fields(self) if each.name != "more"}
        if self.surrounding_div is not None:
            div = self.surrounding_div
            own["surrounding_div"] = without_none(div if isinstance(div, Mapping) else asdict(div))
        return without_none(own)


def settings_as_dict(settings: CampaignSettings | Mapping[str, Any] | None) -> dict[str, Any]:
    """Return settings of any form under the vendor's names, without those that are None.

    :raises ValueError: they have another form, contradict each other or cannot be sent as JSON.
    """
    options = settings.as_dict() if isinstance(settings, CampaignSettings) else settings or {}
    if not isinstance(options, Mapping):
        raise ValueError(f"settings must be CampaignSettings or a mapping, got {shown(settings)}.")
    options = typed(without_none(check_names(options, _TYPES, "settings")), _TYPES, "settings")
    if "surrounding_div" in options:
        options["surrounding_div"] = _surrounding_div(options["surrounding_div"])
    if {"image_max_width", "set_image_max_width"} <= options.keys():
        raise ValueError("settings must contain image_max_width or set_image_max_width, not both.")
    try:
        json.dumps(options, default=json_form, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"settings cannot be sent as JSON: {error}") from None
    return options


def _surrounding_div(div: Any) -> dict[str, Any]:
    name = "settings['surrounding_div']"
    div = asdict(div) if isinstance(div, SurroundingDiv) else div
    if not isinstance(div, Mapping):
        raise ValueError(f"{name} must be SurroundingDiv or a mapping, got {shown(div)}.")
    options = typed(without_none(check_names(div, _DIV_TYPES, name)), _DIV_TYPES, name)
    alignment = options.get("text_align", _ALIGNMENTS[0])
    if alignment not in _ALIGNMENTS:
        raise ValueError(
            f"{name}['text_align'] must be one of {', '.join(_ALIGNMENTS)}; got {shown(alignment)}."
        )
    return options


def _types_of(settings: type[CampaignSettings | SurroundingDiv]) -> dict[str, FieldType | None]:
    """Return the type of each setting; None for those that are checked by themselves."""
    types = {"bool": FieldType.FLAG, "int": FieldType.INTEGER, "str": FieldType.STRING}
    return {
        each.name: types.get(str(each.type).partition(" ")[0])
        for each in fields(settings)
        if each.name != "more"
    }


_DIV_TYPES = _types_of(SurroundingDiv)
_TYPES = {**_types_of(CampaignSettings), "set_image_max_width": FieldType.INTEGER}
SETTINGS = frozenset(_TYPES)

"""Campaign Cleaner: the settings of a submission, under the vendor's names."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from airflow_provider_campaigns.api import campaign_cleaner as api
from airflow_provider_campaigns.api.campaign_cleaner import CampaignSettings, SurroundingDiv


def sent(settings: Any) -> dict[str, Any]:
    fields = dict(api.send_campaign("<p>", "Spring", settings=settings).body["send_campaign"])
    assert (fields.pop("campaign_html"), fields.pop("campaign_name")) == ("<p>", "Spring")
    return fields


class TestSentSettings:
    def test_unset_settings_are_left_out(self) -> None:
        assert sent(CampaignSettings()) == sent(None) == {}
        off = {"inline_css": False, "min_font_size_allowed": 0}
        assert sent(CampaignSettings(**off)) == off

    def test_every_setting_keeps_its_name(self) -> None:
        names = {each.name for each in dataclasses.fields(CampaignSettings)} - {"more", "surrounding_div"}
        assert len(names) == 25
        types = {each.name: str(each.type) for each in dataclasses.fields(CampaignSettings)}
        values = {name: {"b": True, "i": 7, "s": "https://a.example"}[types[name][0]] for name in names}
        assert sent(CampaignSettings(**values)) == values

    def test_surrounding_div_has_only_what_is_set(self) -> None:
        fields = {"max_width": 600, "text_align": "center", "font_size": 14, "center_to_parent": False}
        assert sent(CampaignSettings(surrounding_div=SurroundingDiv(**fields))) == {"surrounding_div": fields}
        part = CampaignSettings(surrounding_div=SurroundingDiv(max_width=600))
        assert sent(part) == {"surrounding_div": {"max_width": 600}}

    def test_more_is_sent_beside_the_others(self) -> None:
        settings = CampaignSettings(inline_css=True, more={"new_option": 5, "another": None})
        assert sent(settings) == sent(settings.as_dict()) == {"inline_css": True, "new_option": 5}
        other_name = CampaignSettings(more={"set_image_max_width": 600, "inline_css": False})
        assert sent(other_name) == {"set_image_max_width": 600, "inline_css": False}

    @pytest.mark.parametrize(("written", "meant"), [("True", True), ("false", False), (" 12 ", 12)])
    def test_rendered_setting_gets_its_type(self, written: str, meant: Any) -> None:
        name = "min_font_size_allowed" if isinstance(meant, int) and meant > 1 else "inline_css"
        assert sent({name: written}) == {name: meant}
        inner = "max_width" if name == "min_font_size_allowed" else "center_to_parent"
        assert sent({"surrounding_div": {inner: written}}) == {"surrounding_div": {inner: meant}}

    def test_width_that_is_none_does_not_count(self) -> None:
        settings = {"image_max_width": None, "set_image_max_width": 500}
        assert sent(settings) == {"set_image_max_width": 500}


class TestRefusedSettings:
    def test_setting_twice_is_refused(self) -> None:
        with pytest.raises(ValueError, match="more must not contain inline_css"):
            CampaignSettings(inline_css=True, more={"inline_css": False})

    @pytest.mark.parametrize(
        "settings",
        [
            CampaignSettings(image_max_width=600, more={"set_image_max_width": 600}),
            {"image_max_width": 600, "set_image_max_width": 500},
        ],
    )
    def test_both_names_of_the_image_width_are_refused(self, settings: Any) -> None:
        with pytest.raises(ValueError, match="image_max_width or set_image_max_width, not both"):
            sent(settings)

    @pytest.mark.parametrize(
        ("settings", "named"),
        [
            ({"campaign_name": "twice"}, "campaign_name"),
            (CampaignSettings(more={"webhook_url": "https://a.example"}), "webhook_url"),
            ("inline_css", "settings must be"),
            (["inline_css"], "settings must be"),
            ({"min_font_size_allowed": float("nan")}, "an integer"),
            ({"more": {"new": float("nan")}}, "JSON"),
            ({"more": "new"}, "'more' must be a mapping"),
            ({"inline_css": True, "more": {"inline_css": False}}, "inline_css must not be in 'more'"),
            ({"inline_ccs": True}, "unknown option 'inline_ccs'. Did you mean 'inline_css'"),
            ({"surrounding_div": {"max_widht": 5}}, "Did you mean 'max_width'"),
            ({"surrounding_div": {"text_align": "middle"}}, "left, center, right"),
            ({"surrounding_div": 640}, "SurroundingDiv or a mapping"),
            ({"inline_css": "yes"}, r"settings\['inline_css'\] must be True or False"),
            ({"inline_css": 1}, "must be True or False"),
            ({"min_font_size_allowed": True}, "an integer"),
            ({"relative_links_base_url": 5}, "must be a string"),
        ],
    )
    def test_settings_that_cannot_be_sent_are_refused(self, settings: Any, named: str) -> None:
        with pytest.raises(ValueError, match=named):
            sent(settings)

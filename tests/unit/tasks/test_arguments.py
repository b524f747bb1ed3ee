from __future__ import annotations

import math
from datetime import timedelta
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import DAG

from airflow_provider_campaigns.sensors.campaign_cleaner import CampaignCleanerCampaignSensor
from airflow_provider_campaigns.tasks.arguments import (
    check_choice,
    check_count,
    check_unless_templated,
    is_templated,
    seconds,
)


class TestIsTemplated:
    @pytest.mark.parametrize(
        "value", ["{{ params.id }}", "a {% if b %}", ["a", ("{{ b }}",)], {"a": {"b": "{{ c }}"}}]
    )
    def test_template_is_found_at_any_depth(self, value: Any) -> None:
        assert is_templated(value)

    @pytest.mark.parametrize("value", ["a", "{ a }", 5, None, ["a"], {"{{ a }}": "b"}])
    def test_literal_is_not_templated(self, value: Any) -> None:
        assert not is_templated(value)

    def test_output_of_a_task_is_templated(self) -> None:
        with DAG("output"):
            output = CampaignCleanerCampaignSensor(task_id="wait", campaign_id="a").output
        assert is_templated(output)
        assert is_templated([output])


class TestCheckUnlessTemplated:
    def test_literal_is_checked_with_its_name(self) -> None:
        checked: list[tuple[Any, str]] = []
        check_unless_templated(lambda value, name: checked.append((value, name)), "a", "campaign_id")
        assert checked == [("a", "campaign_id")]

    def test_template_is_not_checked(self) -> None:
        check_unless_templated(lambda *_: 1 / 0, "{{ a }}", "campaign_id")


class TestSeconds:
    @pytest.mark.parametrize(
        ("value", "expected"), [(0, 0.0), (1.5, 1.5), (timedelta(minutes=2), 120.0), (316_224_000, 3.16224e8)]
    )
    def test_duration_is_returned_in_seconds(self, value: Any, expected: float) -> None:
        assert seconds(value, "timeout") == expected

    @pytest.mark.parametrize(
        "value",
        [-1, timedelta(seconds=-1), math.nan, math.inf, 316_224_001, timedelta(days=4000), True, "5", None],
    )
    def test_other_value_is_refused_with_its_name(self, value: Any) -> None:
        with pytest.raises(ValueError, match=r"^timeout must be a timedelta or a number of seconds"):
            seconds(value, "timeout")


class TestCheckCount:
    @pytest.mark.parametrize("value", [1, 1000])
    def test_positive_integer_is_returned(self, value: int) -> None:
        assert check_count(value, "max_failures") == value

    @pytest.mark.parametrize("value", [0, -1, True, 1.0, "1", None])
    def test_other_value_is_refused_with_its_name(self, value: Any) -> None:
        with pytest.raises(ValueError, match=r"^max_failures must be an integer"):
            check_count(value, "max_failures")


class TestCheckChoice:
    def test_choice_is_returned(self) -> None:
        assert check_choice("wait", ("fail", "wait"), "paused") == "wait"

    @pytest.mark.parametrize("value", ["Wait", "", None])
    def test_other_value_is_refused_with_the_choices(self, value: Any) -> None:
        with pytest.raises(ValueError, match=r"^paused must be one of 'fail', 'wait', got"):
            check_choice(value, ("fail", "wait"), "paused")

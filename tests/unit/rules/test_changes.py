"""How a message names a campaign whose change it reports."""

from __future__ import annotations

import pytest

from airflow_provider_campaigns.rules.changes import title_of


@pytest.mark.parametrize(("name", "title"), [("Spring", "Campaign 17 (Spring)"), (None, "Campaign 17")])
def test_title_has_the_name_if_it_is_known(name: str | None, title: str) -> None:
    assert title_of("17", name) == title

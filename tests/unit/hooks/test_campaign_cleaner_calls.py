"""Every call of Campaign Cleaner at a fake service: the request that arrives, and the value it returns."""

from __future__ import annotations

import dataclasses
import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest

from airflow_provider_campaigns.api import campaign_cleaner as api
from airflow_provider_campaigns.api.campaign_cleaner import campaigns
from airflow_provider_campaigns.exceptions import MalformedResponseError
from airflow_provider_campaigns.hooks.base import user_agent
from airflow_provider_campaigns.hooks.campaign_cleaner import CampaignCleanerHook
from tests.conftest import KEY
from tests.support.every_call import (
    Row,
    body_of,
    calls_of,
    headers_of,
    in_triggerer,
    methods_of,
    on_worker,
)
from tests.support.fake_server import FakeServer

from .campaign_cleaner_rows import ONE_OF_EACH, PDF, ROWS


def test_every_call_and_every_method_has_a_row() -> None:
    assert ONE_OF_EACH.keys() == calls_of(api)
    assert methods_of(CampaignCleanerHook) - {"test_connection", "aget_campaign_status"} == ONE_OF_EACH.keys()


@pytest.mark.parametrize("make", [on_worker, in_triggerer])
@pytest.mark.parametrize("row", ROWS, ids=str)
def test_call_arrives_as_documented(connections: FakeServer, make: Callable[..., Any], row: Row) -> None:
    connections.respond(row.reply)
    value = make(CampaignCleanerHook(), api, row)
    (request,) = connections.requests
    assert (request.method, request.path, body_of(request)) == (row.method, row.path, row.body)
    assert headers_of(request) == {**row.headers, "x-cc-api-key": KEY, "user-agent": user_agent()}
    assert value == row.value


@pytest.mark.parametrize("make", [on_worker, in_triggerer])
def test_too_large_pdf_is_not_read(
    connections: FakeServer, make: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    row = ONE_OF_EACH["get_campaign_pdf_analysis"]
    monkeypatch.setattr(campaigns, "MAX_PDF_BYTES", len(PDF) + 100_000)
    pdf = dataclasses.replace(row.reply, body=PDF + b"x" * 100_000)
    connections.respond(pdf, dataclasses.replace(pdf, body=PDF + b"x" * 20_000_000))
    assert len(make(CampaignCleanerHook(), api, row)) == len(PDF) + 100_000
    tracemalloc.start()
    with pytest.raises(MalformedResponseError, match=r"longer than 100,\d\d\d bytes"):
        make(CampaignCleanerHook(), api, row)
    held = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert held < 5_000_000

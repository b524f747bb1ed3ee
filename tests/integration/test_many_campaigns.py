"""Where a list of campaigns comes from, in a real Airflow: ``tests/dags/many_campaigns.py``."""

from __future__ import annotations

from itertools import count
from typing import Any

import pytest

from tests.dags.many_campaigns import IDS
from tests.support.airflow_runs import dag, run
from tests.support.fake_cleaner import LIST
from tests.support.fake_server import FakeServer, Reply, Request
from tests.support.responses import paths


@pytest.mark.usefixtures("database")
@pytest.mark.parametrize("suffix", ["", "_native"])
@pytest.mark.parametrize("mode", ["poke", "deferrable"])
def test_list_of_campaigns_may_come_from_anywhere(connections: FakeServer, mode: str, suffix: str) -> None:
    polls = count(1)

    def listing(_: Request) -> Any:
        status = "processing" if next(polls) % 2 else "completed"
        return {"campaign_list": [{"id": each, "status": status} for each in IDS]}

    connections.respond(Reply(listing), path=LIST)
    state, _, returned = run(dag(f"many_campaigns_{mode}{suffix}"))
    assert state == "success"
    assert [returned[f"of_a_{source}"] for source in ("task", "mapped_task", "template")] == [IDS] * 3
    assert paths(connections) == [LIST] * 6

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_campaigns.exceptions import (
    IncompleteResponseError,
    MalformedResponseError,
    NotFoundError,
    RejectedError,
)
from airflow_provider_campaigns.operators.campaign_cleaner import CampaignCleanerGetPdfAnalysisOperator
from tests.support.fake_airflow import TaskRunner
from tests.support.fake_server import FakeServer, Reply
from tests.support.responses import CLEANER_ID as ID

PDF = {"Content-Type": "application/pdf"}


def get_pdf(**arguments: Any) -> CampaignCleanerGetPdfAnalysisOperator:
    return CampaignCleanerGetPdfAnalysisOperator(
        **{"task_id": "pdf", "campaign_id": ID, "output_path": "report.pdf", **arguments}
    )


def test_pdf_is_written_to_output_path(connections: FakeServer, tmp_path: Path) -> None:
    connections.respond(Reply(b"%PDF-1.7 \xff", headers=PDF))
    target = tmp_path / "new" / "report.pdf"
    assert TaskRunner().run(get_pdf(output_path=str(target))) == str(target)
    assert target.read_bytes() == b"%PDF-1.7 \xff"
    assert connections.requests[0].json == {"campaign": {"id": ID}}


@pytest.mark.parametrize(
    ("response", "error"),
    [
        (Reply({"error": "not completed"}), RejectedError),
        (Reply(b"<html>"), MalformedResponseError),
        (Reply(b"<html>", headers=PDF), MalformedResponseError),
        (Reply(b"%PDF-1.7", headers=PDF, drop="body"), IncompleteResponseError),
        (Reply({"error": "no"}, status=404), NotFoundError),
    ],
)
def test_response_that_is_not_a_pdf_is_not_written(
    connections: FakeServer, tmp_path: Path, response: Reply, error: type[Exception]
) -> None:
    connections.respond(response)
    with pytest.raises(error):
        TaskRunner().run(get_pdf(output_path=str(tmp_path / "report.pdf")))
    assert list(tmp_path.iterdir()) == []


def test_path_that_cannot_be_written_is_named(connections: FakeServer, tmp_path: Path) -> None:
    connections.respond(Reply(b"%PDF-1.7", headers=PDF))
    with pytest.raises(OSError, match=re.escape(f"Cannot write {str(tmp_path)!r}")):
        TaskRunner().run(get_pdf(output_path=str(tmp_path)))


@pytest.mark.parametrize("argument", ["campaign_id", "output_path"])
def test_invalid_argument_sends_nothing(connections: FakeServer, argument: str) -> None:
    with pytest.raises(ValueError, match=argument):
        get_pdf(**{argument: ""})
    task = get_pdf(**{argument: "{{ params.x }}"})
    setattr(task, argument, "")
    with pytest.raises(ValueError, match=argument):
        TaskRunner().run(task)
    assert connections.requests == []

"""Background jobs, such as moving leads."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from airflow_provider_campaigns.api.call import Call
from airflow_provider_campaigns.api.instantly.base import MAX_CODE_LENGTH, get_call, object_field
from airflow_provider_campaigns.api.response import text_or_none
from airflow_provider_campaigns.api.values import can_be_a_status, check_path_id, number_or_none
from airflow_provider_campaigns.exceptions import MalformedResponseError

# The fields of a job's data that a wait needs; the others may be lists of thousands of addresses.
JOB_COUNTS = ("success_count", "failed_count", "total_to_process")


class JobStatus(str, Enum):
    """``BackgroundJob.status``."""

    PENDING = "pending"
    IN_PROGRESS = "in-progress"
    SUCCESS = "success"
    FAILED = "failed"
    DRAINING = "draining"
    PAUSED = "paused"
    CANCELLED = "cancelled"


@dataclass(frozen=True)
class BackgroundJob:
    """A job that Instantly runs in the background.

    :param id: identifies the job.
    :param status: as the service wrote it, in lower case; see :class:`JobStatus`.
    :param type: the kind of job, such as ``move-leads``.
    :param progress: 0 to 100 percent; None where the response contains none.
    :param data: counts, and whatever else belongs to this kind of job.
    :param raw: the whole response.
    """

    id: str
    status: str
    type: str | None = None
    progress: float | None = None
    data: Mapping[str, Any] = field(default_factory=dict, repr=False)
    raw: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @property
    def summary(self) -> dict[str, Any]:
        """The job's id, type, status and counts."""
        counts = {name: value for name, value in self.data.items() if isinstance(value, (int, float))}
        return {**counts, "job_id": self.id, "type": self.type, "status": self.status}


def get_background_job(job_id: str, *, data_fields: Iterable[str] = ()) -> Call[BackgroundJob]:
    """Get the status of a background job. Needs ``background-jobs:read``.

    https://developer.instantly.ai/api-reference/schemas/background-job

    :param data_fields: fields of the job's data to return, such as ``success_count``; by default all.
    :raises ValueError: the id is not valid.
    """
    fields = data_fields if isinstance(data_fields, str) else ",".join(data_fields)
    path = f"/background-jobs/{check_path_id(job_id, 'job_id')}"
    return get_call(path, parse_job, params={"data_fields": fields or None})


def parse_job(response: Mapping[str, Any]) -> BackgroundJob:
    """Parse a background job, which is also the response of a call that starts one.

    :raises MalformedResponseError: it has no id or no status.
    """
    job_id, status = text_or_none(response.get("id")), text_or_none(response.get("status"))
    if job_id is None or status is None or not can_be_a_status(status, MAX_CODE_LENGTH):
        raise MalformedResponseError("The response contains no background job: it has no id or no status.")
    return BackgroundJob(
        id=job_id,
        status=status.lower(),
        type=text_or_none(response.get("type")),
        progress=number_or_none(response.get("progress")),
        data=object_field(response, "data"),
        raw=response,
    )

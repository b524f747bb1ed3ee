"""Reads the body of an answer: the same code on both sides of Airflow, so that they read the same in it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from airflow_provider_campaigns.api._call import Call
from airflow_provider_campaigns.transport._outcome import too_large

if TYPE_CHECKING:
    from urllib3.response import HTTPResponse

# Bytes that are read at a time. Before urllib3 2.6 each of these is unpacked whole: into 16 MiB at most.
CHUNK = 16 * 1024


def read_body(raw: HTTPResponse, call: Call[Any], after_each: Callable[[], None] = lambda: None) -> bytes:
    """Read and unpack a body, piece by piece as it arrives.

    :param after_each: what to do after each piece; an error that it raises ends the reading.
    :raises MalformedAnswerError: it is longer than anything that may be sent.
    """
    body = bytearray()
    while piece := raw.read1(CHUNK, decode_content=True):
        body += piece
        if len(body) > call.max_bytes:
            raise too_large(call)
        after_each()
    return bytes(body)

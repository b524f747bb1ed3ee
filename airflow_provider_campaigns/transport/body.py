"""Read and decompress a response body, with the same code for both transports."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from airflow_provider_campaigns.api.call import Call
from airflow_provider_campaigns.transport.errors import too_large

if TYPE_CHECKING:
    from urllib3.response import HTTPResponse

# Bytes that are read at a time. Before urllib3 2.6 each piece is decompressed whole: into 16 MiB at most.
CHUNK = 16 * 1024


def read_body(raw: HTTPResponse, call: Call[Any], after_each: Callable[[], None] = lambda: None) -> bytes:
    """Read and decompress a body piece by piece.

    :param after_each: called after each piece; an error that it raises ends the reading.
    :raises MalformedResponseError: the body is longer than the call allows.
    """
    body = bytearray()
    while piece := raw.read1(CHUNK, decode_content=True):
        body += piece
        if len(body) > call.max_bytes:
            raise too_large(call)
        after_each()
    return bytes(body)

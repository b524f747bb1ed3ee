"""How a driver talks to the server: small requests over its control port, blocking or not."""

from __future__ import annotations

import asyncio
import json
from typing import Any
from urllib.request import ProxyHandler, build_opener

from benchmarks.server import HOST

_direct = build_opener(ProxyHandler({}))


def tell(port: int, path: str, **body: Any) -> dict[str, Any]:
    """Send an instruction, and return the counts; blocks."""
    with _direct.open(f"http://{HOST}:{port}{path}", json.dumps(body).encode(), timeout=30) as answer:
        counts: dict[str, Any] = json.loads(answer.read())
        return counts


async def atell(port: int, path: str, **body: Any) -> dict[str, Any]:
    """Send an instruction from an event loop that is being measured, and return the counts."""
    reader, writer = await asyncio.open_connection(HOST, port)
    payload = json.dumps(body).encode()
    writer.write(f"POST {path} HTTP/1.1\r\nContent-Length: {len(payload)}\r\n\r\n".encode() + payload)
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    length = int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0])
    counts: dict[str, Any] = json.loads(await reader.readexactly(length))
    writer.close()
    return counts

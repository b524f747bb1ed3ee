"""Small requests to the server's control port, blocking or asynchronous."""

from __future__ import annotations

import asyncio
import json
from typing import Any
from urllib.request import ProxyHandler, build_opener

from benchmarks.server import HOST

_direct = build_opener(ProxyHandler({}))


def control(port: int, path: str, **body: Any) -> dict[str, Any]:
    """Send a command, and return the counts."""
    with _direct.open(f"http://{HOST}:{port}{path}", json.dumps(body).encode(), timeout=30) as response:
        counts: dict[str, Any] = json.loads(response.read())
        return counts


async def acontrol(port: int, path: str, **body: Any) -> dict[str, Any]:
    """Send a command from an event loop that is being measured, and return the counts."""
    reader, writer = await asyncio.open_connection(HOST, port)
    payload = json.dumps(body).encode()
    writer.write(f"POST {path} HTTP/1.1\r\nContent-Length: {len(payload)}\r\n\r\n".encode() + payload)
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    length = int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0])
    counts: dict[str, Any] = json.loads(await reader.readexactly(length))
    writer.close()
    return counts

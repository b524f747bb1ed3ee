"""Runs the application in the foreground or in a background thread."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from types import TracebackType
from typing import Any

from aiohttp import web

from airflow_provider_campaigns.sandbox.app import create_app, is_loopback
from airflow_provider_campaigns.sandbox.options import Options
from airflow_provider_campaigns.sandbox.state import Clock, SandboxState, utc_now

_SECONDS_TO_FINISH = 0.2


def check_loopback(host: str) -> str:
    """Return the address to bind.

    :raises ValueError: the host is not a loopback address, so others could reach the sandbox.
    """
    if not is_loopback(host):
        raise ValueError(f"The sandbox binds loopback only, such as 127.0.0.1 or ::1, not {host!r}.")
    return "127.0.0.1" if host == "localhost" else host.strip("[]")


async def serve(
    state: SandboxState, host: str, port: int, started: Callable[[str], None], stop: asyncio.Event
) -> None:
    """Serve until ``stop`` is set.

    :param port: 0 for a free port.
    :param started: called with the URL when the server is ready.
    :raises ValueError: the host is not loopback.
    :raises OSError: the port is in use.
    """
    host = check_loopback(host)
    runner = web.AppRunner(create_app(state), access_log=None, shutdown_timeout=_SECONDS_TO_FINISH)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
        bound = runner.addresses[0][1]
        started(f"http://[{host}]:{bound}" if ":" in host else f"http://{host}:{bound}")
        await stop.wait()
    finally:
        await runner.cleanup()


class RunningSandbox:
    """A sandbox in a background thread. ``close()`` or the end of a ``with`` block stops it.

    :ivar url: its URL, the host of both connections.
    :ivar state: its data.
    """

    def __init__(self, state: SandboxState, host: str, port: int) -> None:
        self.state = state
        address: Future[str] = Future()
        self._thread = threading.Thread(target=self._run, args=(host, port, address), daemon=True)
        self._thread.start()
        self.url = address.result()

    def close(self) -> None:
        """Stop the server; after this returns, the port is free."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stop.set)
            self._thread.join()

    def __enter__(self) -> RunningSandbox:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _run(self, host: str, port: int, address: Future[str]) -> None:
        async def main() -> None:
            self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
            await serve(self.state, host, port, address.set_result, self._stop)

        try:
            asyncio.run(main())
        except (ValueError, OSError) as error:
            address.set_exception(error)


def running(
    *, host: str = "127.0.0.1", port: int = 0, clock: Clock = utc_now, **options: Any
) -> RunningSandbox:
    """Start a sandbox in a background thread, on a free port.

    ::

        with running(processing_seconds=0) as sandbox:
            requests.get(f"{sandbox.url}/v1/get_credits", headers={"X-CC-API-Key": "any"})

    :param clock: returns the current time; a test with its own clock need not wait.
    :param options: the fields of :class:`~airflow_provider_campaigns.sandbox.options.Options`.
    """
    return RunningSandbox(SandboxState(Options(**options), clock), host, port)

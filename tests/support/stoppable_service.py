"""A sandbox that stops and starts again during a test, and how a test waits for what real processes do."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime
from typing import Any

import requests

from airflow_provider_campaigns.sandbox import Options, RunningSandbox, SandboxState
from scripts.local_airflow import MAX_WAIT, free_port


class Service:
    """A sandbox that can stop, and start again with its data."""

    def __init__(self) -> None:
        self.state = SandboxState(Options(processing_seconds=3600))
        self._port = free_port()
        self.start()

    @property
    def url(self) -> str:
        return self._server.url

    def start(self) -> None:
        self._server = RunningSandbox(self.state, "127.0.0.1", self._port)

    def stop(self) -> None:
        self._server.close()

    def requests_to(self, path: str, since: float = 0.0) -> list[float]:
        """Return the times of the requests to paths with a prefix."""
        times = [parse_time(entry.time) for entry in list(self.state.requests) if entry.path.startswith(path)]
        return [each for each in times if each >= since]

    def count(self, method: str, path: str) -> int:
        return [(each.method, each.path) for each in list(self.state.requests)].count((method, path))

    def submit(self) -> str:
        return self.state.submit("Spring", "<p>Spring</p>", {}).id

    def complete(self, campaign_id: str) -> None:
        self.state.set_processing_seconds(campaign_id, 0)


def parse_time(text: str) -> float:
    return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def wait_until(condition: Callable[[], Any], what: str) -> Any:
    deadline, last_error = time.monotonic() + MAX_WAIT, ""
    while True:
        try:
            if result := condition():
                return result
        except (requests.RequestException, KeyError) as error:  # parts of Airflow are down
            last_error = f" ({error!r})"
        assert time.monotonic() < deadline, f"Not within {MAX_WAIT:g} s: {what}{last_error}"
        time.sleep(0.3)

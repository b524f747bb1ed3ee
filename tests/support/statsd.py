"""A StatsD server that keeps the counters of all processes of an Airflow."""

from __future__ import annotations

import socket
import threading
from collections import Counter
from types import TracebackType


class StatsdServer:
    """A UDP server on 127.0.0.1.

    :ivar counts: the sum of each counter of this provider, by name; complete once the server has stopped.
    """

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self._socket.settimeout(0.2)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._listen)

    @property
    def environment(self) -> dict[str, str]:
        """The environment of an Airflow that sends its metrics here."""
        return {
            "AIRFLOW__METRICS__STATSD_ON": "True",
            # Only this provider's: a busy machine loses some of many.
            "AIRFLOW__METRICS__METRICS_ALLOW_LIST": "campaign_cleaner,instantly",
            "AIRFLOW__METRICS__STATSD_HOST": "127.0.0.1",
            "AIRFLOW__METRICS__STATSD_PORT": str(self._socket.getsockname()[1]),
        }

    def __enter__(self) -> StatsdServer:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopping.set()
        self._thread.join()
        self._socket.close()

    def _listen(self) -> None:
        while True:
            try:
                packet = self._socket.recv(65535).decode()
            except TimeoutError:
                if self._stopping.is_set():
                    return
                continue
            for line in packet.splitlines():
                name, _, value = line.partition(":")
                if value.endswith("|c"):
                    self.counts[name] += int(value.removesuffix("|c"))

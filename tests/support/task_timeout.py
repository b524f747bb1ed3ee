"""A timeout of Airflow ends a task while a service does not respond."""

from __future__ import annotations

import signal
import threading

from tests.support.fake_server import Reply, Request


def cut_off() -> Reply:
    """Return a response that does not come; soon after its first request, the task's timeout is over.

    A short timeout could be over before the request on a busy machine, so the task has a long one.
    """
    once = threading.Lock()

    def on_request(_: Request) -> str:
        if once.acquire(blocking=False):
            # Again every 5 s: Python handles a signal later if it comes while a thread is about to wait.
            signal.setitimer(signal.ITIMER_REAL, 0.5, 5)
        return ""

    return Reply(on_request, delay=600)

"""Everything that a log, an error or a traceback can show."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Iterator
from contextlib import contextmanager


class LogRecorder(logging.Handler):
    """Keeps every record as it was logged, before Airflow masks secrets in it."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.lines: list[str] = []
        self.loggers: set[str] = set()

    def emit(self, record: logging.LogRecord) -> None:
        self.loggers.add(record.name)
        trace = "".join(traceback.format_exception(*record.exc_info)) if record.exc_info else ""
        self.lines.append(f"{record.getMessage()} {record.__dict__!r} {trace}")


@contextmanager
def all_logs() -> Iterator[LogRecorder]:
    """Log everything: the package, requests, urllib3, aiohttp, asyncio."""
    names = ["", "airflow_provider_campaigns", "airflow", "airflow.task", "urllib3", "requests", "aiohttp",
             "aiohttp.client", "asyncio"]  # fmt: skip
    loggers = [logging.getLogger(name) for name in names]
    before = [(logger.level, logger.disabled, logger.propagate) for logger in loggers]
    recorder = LogRecorder()
    for logger in loggers:
        logger.setLevel(logging.DEBUG)
        logger.disabled, logger.propagate = False, True
    loggers[0].addHandler(recorder)
    try:
        yield recorder
    finally:
        loggers[0].removeHandler(recorder)
        for logger, (level, disabled, propagate) in zip(loggers, before, strict=True):
            logger.setLevel(level)
            logger.disabled, logger.propagate = disabled, propagate


def error_chain(error: BaseException | None) -> Iterator[BaseException]:
    """Return an error with all its causes and contexts."""
    seen: set[int] = set()
    queue = [error]
    while queue:
        each = queue.pop()
        if each is not None and id(each) not in seen:
            seen.add(id(each))
            yield each
            queue += [each.__cause__, each.__context__]


def printed_by(error: BaseException) -> list[str]:
    """Return everything that an error and its causes can print."""
    return [f"{each!r} {each} {each.args!r} {vars(each)!r}" for each in error_chain(error)]


def tracebacks_of(error: BaseException) -> list[str]:
    """Return the same, and what a traceback with the variables of its frames prints."""
    printed = printed_by(error)
    for each in error_chain(error):
        printed += traceback.TracebackException.from_exception(each, capture_locals=True).format()
    return printed

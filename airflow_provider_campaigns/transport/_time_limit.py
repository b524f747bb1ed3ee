"""Ends a request of ``requests`` when its time is up, wherever it waits and however little arrives.

A timeout of ``requests`` begins anew with each byte. A server that sends one now and then, within a status
line or its headers or between two pieces of the body, could hold a task for as long as it likes. So a timer
breaks the line, and whoever reads from it finds its end.
"""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

if TYPE_CHECKING:
    from types import TracebackType


class TimeLimit:
    """A context in which one request is made, over connections of an :class:`Adapter`.

    :param seconds: how long it may take.
    :ivar over: whether the time was up, and what came of the request is not to be trusted.
    """

    def __init__(self, seconds: float) -> None:
        self.over = False
        self._timer = threading.Timer(seconds, self._break_lines)
        self._timer.daemon = True
        self._lock = threading.Lock()
        self._connections: list[_Breakable] = []

    def __enter__(self) -> TimeLimit:
        self._token = _limit.set(self)
        self._timer.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._timer.cancel()
        _limit.reset(self._token)
        with self._lock:
            for connection in self._connections:
                connection.let_go_if_closed()
            self._connections.clear()

    def holds_for(self, connection: _Breakable) -> None:
        """Let it hold for a connection that the request goes over."""
        with self._lock:
            self._connections.append(connection)
        if self.over:
            connection.break_line()

    def _break_lines(self) -> None:
        with self._lock:
            self.over = True
            for connection in self._connections:
                connection.break_line()


_limit: ContextVar[TimeLimit | None] = ContextVar("limit", default=None)


class _Breakable(HTTPConnection):
    """A connection with a second handle on its line.

    The first one gets lost: TLS wraps it, and an answer keeps it when the connection has been closed.
    """

    _line: socket.socket | None = None

    def break_line(self) -> None:
        if self._line:
            with suppress(OSError):
                self._line.shutdown(socket.SHUT_RDWR)

    def let_go_if_closed(self) -> None:
        if self._line and self.sock is None:
            self._line.close()
            self._line = None

    def request(self, *args: Any, **kwargs: Any) -> None:
        if limit := _limit.get():
            limit.holds_for(self)
        super().request(*args, **kwargs)

    def close(self) -> None:
        super().close()
        if not _limit.get():  # nobody reads any more
            self.let_go_if_closed()

    def _new_conn(self) -> socket.socket:
        line = super()._new_conn()
        if self._line:
            self._line.close()
        self._line = line.dup()
        if limit := _limit.get():
            limit.holds_for(self)
        return line


class _BreakableTls(_Breakable, HTTPSConnection):
    pass


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Breakable


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls = _BreakableTls


_POOLS = {"http": _Pool, "https": _TlsPool}


class Adapter(HTTPAdapter):
    """An adapter of ``requests`` for whose connections a time limit holds; over SOCKS it does not."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Make connections to a server that can be broken."""
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        """Make connections to a proxy that can be broken."""
        manager = super().proxy_manager_for(proxy, **kwargs)
        if not proxy.lower().startswith("socks"):
            manager.pool_classes_by_scheme = _POOLS
        return manager

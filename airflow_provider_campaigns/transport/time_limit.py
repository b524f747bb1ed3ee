"""End a request of ``requests`` at its timeout, wherever it waits.

The timeout of ``requests`` starts again with each byte that arrives: a server that sends its headers at one
byte a second holds a request with ``timeout=30`` for 20 minutes when the headers have 1,200 bytes, and a task
with it. ``requests`` has no total timeout. So a timer shuts the socket down, and the code that reads from it
gets an error.
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
    """A context for one request over connections of an :class:`Adapter`.

    :param seconds: how long the request may take.
    :ivar over: whether the request timed out; then its result is not valid.
    """

    def __init__(self, seconds: float) -> None:
        self.over = False
        self._timer = threading.Timer(seconds, self._shut_down_all)
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
                connection.release_if_closed()
            self._connections.clear()

    def add(self, connection: _Breakable) -> None:
        """Apply the time limit to a connection of this request."""
        with self._lock:
            self._connections.append(connection)
        if self.over:
            connection.shut_down()

    def _shut_down_all(self) -> None:
        with self._lock:
            self.over = True
            for connection in self._connections:
                connection.shut_down()


_limit: ContextVar[TimeLimit | None] = ContextVar("limit", default=None)


class _Breakable(HTTPConnection):
    """A connection with a second handle on its socket.

    The first one gets lost: TLS wraps it, and a response keeps it after the connection has been closed.
    """

    _socket: socket.socket | None = None

    def shut_down(self) -> None:
        if self._socket:
            with suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)

    def release_if_closed(self) -> None:
        if self._socket and self.sock is None:
            self._socket.close()
            self._socket = None

    def request(self, *args: Any, **kwargs: Any) -> None:
        if limit := _limit.get():
            limit.add(self)
        super().request(*args, **kwargs)

    def close(self) -> None:
        super().close()
        if not _limit.get():  # no code reads from it any more
            self.release_if_closed()

    def _new_conn(self) -> socket.socket:
        sock = super()._new_conn()
        if self._socket:
            self._socket.close()
        self._socket = sock.dup()
        if limit := _limit.get():
            limit.add(self)
        return sock


class _BreakableTls(_Breakable, HTTPSConnection):
    pass


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Breakable


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls = _BreakableTls


_POOLS = {"http": _Pool, "https": _TlsPool}


class Adapter(HTTPAdapter):
    """An adapter of ``requests`` with a time limit; not over SOCKS."""

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

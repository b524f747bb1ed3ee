"""A fake mail server on 127.0.0.1 that keeps the mails."""

from __future__ import annotations

import socketserver
import threading
from email import message_from_bytes
from email.message import Message
from types import TracebackType


class _Session(socketserver.StreamRequestHandler):
    server: FakeMailServer

    def handle(self) -> None:
        self._reply("220 fake")
        while line := self.rfile.readline().strip().upper():
            if line == b"DATA":
                self._reply("354 go on")
                lines = iter(self.rfile.readline, b".\r\n")
                self.server.mails.append(message_from_bytes(b"".join(lines)))
            self._reply("221 bye" if line == b"QUIT" else "250 ok")

    def _reply(self, line: str) -> None:
        self.wfile.write(f"{line}\r\n".encode())


class FakeMailServer(socketserver.ThreadingTCPServer):
    """Accepts every mail.

    :ivar mails: the mails so far.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Session)
        self.mails: list[Message] = []

    def __enter__(self) -> FakeMailServer:
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.shutdown()
        self.server_close()

    @property
    def port(self) -> int:
        return int(self.server_address[1])


def text_of(mail: Message) -> str:
    """Return the text of a mail."""
    parts = [part.get_payload(decode=True) for part in mail.walk() if not part.is_multipart()]
    return "".join(part.decode() for part in parts if isinstance(part, bytes))

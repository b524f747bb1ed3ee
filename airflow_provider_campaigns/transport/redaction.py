"""Remove an API key from what a service or a library may have echoed."""

from __future__ import annotations

import html
import re
from functools import cached_property

_MIN_KEY_LENGTH = 12
_USER_INFO = re.compile(r"//[^/@\s]+@")


class Redaction:
    """Replaces one key by ``***``: written plainly, or as JSON, Python, a URL or HTML write it.

    :param key: the API key.
    """

    def __init__(self, key: str) -> None:
        self._key = key

    def text(self, text: str) -> str:
        """Return a string without the key, and without the user info of URLs."""
        return _USER_INFO.sub("//***@", re.sub(self._pattern, "***", text))

    def body(self, body: bytes) -> bytes:
        """Return a response body without the key.

        A key that is too short to differ from an ordinary word stays in the body; :meth:`text` removes it
        later.
        """
        if len(self._key) < _MIN_KEY_LENGTH or self._longest_part not in body:
            return body
        return self._bytes_pattern.sub(b"***", body)

    @cached_property
    def _longest_part(self) -> bytes:
        """The longest part of the key that is always written plainly; a body without it needs no search."""
        parts: list[str] = re.findall("[0-9A-Za-z]*", self._key)
        return max(parts, key=len).encode()

    @cached_property
    def _pattern(self) -> str:
        return "".join(each if each.isalnum() else _escapes(each) for each in re.findall(r"\\+|.", self._key))

    @cached_property
    def _bytes_pattern(self) -> re.Pattern[bytes]:
        return re.compile(self._pattern.encode())


def _escapes(mark: str) -> str:
    """Return a pattern of the ways to escape a punctuation mark, or a run of backslashes."""
    code = ord(mark[0])
    escaped = rf"(?i:\\{{1,8}}(?:u00|x){code:02x}|%(?:25){{0,3}}{code:02x}|&#0{{0,4}}(?:{code}|x{code:x});)"
    if mark[0] == "\\":
        return rf"(?:\\{{{len(mark)},{4 * len(mark)}}}|{escaped}{{{len(mark)}}})"
    ways = [rf"\\{{0,8}}{re.escape(mark)}", escaped]
    if html.escape(mark) != mark:  # two ways to read one mark would double the time that a search may take
        ways.append(re.escape(html.escape(mark)))
    return f"(?:{'|'.join(ways)})"

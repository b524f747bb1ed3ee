"""Say which encoding a file has that is not UTF-8, and how to convert it."""

from __future__ import annotations

import codecs
import re
from pathlib import PurePosixPath

_BYTE_ORDER_MARKS = (
    (b"\xff\xfe\0\0", "UTF-32"),
    (b"\0\0\xfe\xff", "UTF-32"),
    (b"\xff\xfe", "UTF-16"),
    (b"\xfe\xff", "UTF-16"),
)
_ZIP = b"PK\x03\x04"
# The encoding that an HTML names, near its beginning.
_CHARSET = re.compile(rb"charset\s*=\s*[\"']?([A-Za-z0-9][\w.:-]{1,40})")
_MAX_HEAD = 10_000


def not_utf8(name: str, error: UnicodeDecodeError, lines_before: int = 0) -> ValueError:
    """Return the error for a file that cannot be decoded as UTF-8; it shows no data.

    :param name: the file, with its ending.
    :param lines_before: how many lines were read before the bytes in ``error``.
    """
    beginning = b"" if lines_before else bytes(error.object[:4])
    if beginning == _ZIP:
        looks_like = (
            "an Excel workbook: save it as 'CSV UTF-8'"
            if _ending(name) == ".csv"
            else "a ZIP file: unpack it"
        )
        return ValueError(f"{name}: the file is not UTF-8. It looks like {looks_like}.")
    for mark, encoding in _BYTE_ORDER_MARKS:
        if beginning.startswith(mark):
            return _not_utf8(name, 1, encoding, encoding)
    if b"\0" in beginning[:2]:
        return utf16_without_mark(name, beginning.decode("latin-1"))
    line = lines_before + len((bytes(error.object[: error.start]) + b"x").splitlines())
    if named := _named_encoding(bytes(error.object[:_MAX_HEAD])):
        return _not_utf8(name, line, f"{named}, which it names as its charset", named)
    return _not_utf8(name, line, "Latin-1 or Windows-1252", "WINDOWS-1252")


def utf16_without_mark(name: str, text: str) -> ValueError:
    """Return the error for a file whose first line alternates with NUL characters."""
    encoding = "UTF-16BE" if text.startswith("\0") else "UTF-16LE"
    return _not_utf8(name, 1, encoding, encoding)


def _not_utf8(name: str, line: int, looks_like: str, encoding: str) -> ValueError:
    ending = _ending(name)
    save = "save it in Excel as 'CSV UTF-8'" if ending == ".csv" else "save it as UTF-8 in an editor"
    return ValueError(
        f"{name}: the file is not UTF-8 (line {line:,}). It looks like {looks_like}. Convert it with "
        f"`iconv -f {encoding} -t UTF-8 old{ending} > new{ending}`, or {save}."
    )


def _named_encoding(head: bytes) -> str | None:
    """Return the encoding that a file names, if Python knows it and it is not UTF-8."""
    named = _CHARSET.search(head)
    try:
        encoding = codecs.lookup(named[1].decode()).name if named else "utf-8"
    except LookupError:
        return None
    return named[1].decode() if named and encoding not in {"utf-8", "ascii", "iso8859-1"} else None


def _ending(name: str) -> str:
    return PurePosixPath(name.partition("?")[0]).suffix.lower()

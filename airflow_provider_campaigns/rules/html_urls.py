"""Write a URL in a form that is the same however its characters are written.

RFC 3986, section 6.2: scheme and host have no case, an empty path is ``/``, and ``%41`` is ``A``. An escaped
reserved character stays escaped, because ``/a%2Fb`` is not ``/a/b``. As in a browser, a line break does not
count, and ``//host`` takes the scheme of the page.
"""

from __future__ import annotations

import re
import string
import unicodedata
from collections.abc import Iterator
from functools import lru_cache
from urllib.parse import quote, unquote

from airflow_provider_campaigns.rules.merge_tags import plain_tag, tag_spans

_UNRESERVED = frozenset(string.ascii_letters + string.digits + "-._~")
_AS_WRITTEN = _UNRESERVED | frozenset(":/?#[]@!$&'()*+,;=%")
_ESCAPES = re.compile(r"((?:%[0-9A-Fa-f]{2})+)")
_LINE_BREAK = re.compile(r"[\t\r\n]+")
_START = re.compile(r"(?:([A-Za-z][A-Za-z0-9+.-]*):)?(?://([^/?#]*))?")
# Of DNS; decoding a long one takes long.
_MAX_LABEL = 63
_PORTS = {"http": ":80", "https": ":443"}


@lru_cache(maxsize=4096)
def plain_url(url: str) -> str:
    """Return a URL in a form in which equal URLs are equal, with its merge tags in plain form."""
    text = unicodedata.normalize("NFC", _LINE_BREAK.sub("", url).strip())
    plain = "".join(_plain_parts(text))
    start = _START.match(plain)
    if start is None or not start.group():
        return plain
    scheme, rest = (start[1] or "https").lower(), plain[start.end() :]
    if start[2] is None:
        return f"{scheme}:{rest}"
    return f"{scheme}://{_plain_host(start[2], scheme)}{'' if rest[:1] == '/' else '/'}{rest}"


def _plain_parts(text: str) -> Iterator[str]:
    """Yield the characters of a URL, and its merge tags; a URL-encoded one too."""
    characters: list[str] = []
    plain: list[str] = []
    for at, part in enumerate(_ESCAPES.split(text)):
        is_escaped = at % 2 == 1
        decoded = unquote(part, errors="surrogateescape") if is_escaped else part
        kept = _UNRESERVED if is_escaped else _AS_WRITTEN
        characters += decoded
        plain += (each if each in kept else quote(each, "", errors="surrogateescape") for each in decoded)
    at = 0
    whole = "".join(characters)
    for start, end in tag_spans(whole):
        yield from plain[at:start]
        yield plain_tag(whole[start:end])
        at = end
    yield from plain[at:]


def _plain_host(host: str, scheme: str) -> str:
    user, at, name = host.rpartition("@")
    name = unquote(name).lower().removesuffix(_PORTS.get(scheme, ":"))
    return user + at + ".".join(map(_plain_label, name.split(".")))


def _plain_label(label: str) -> str:
    """Return a part of a host name in the letters that punycode stands for."""
    if not label.startswith("xn--") or len(label) > _MAX_LABEL:
        return label
    try:
        return label.removeprefix("xn--").encode().decode("punycode")
    except UnicodeError:
        return label

"""What users report of both services, and no document describes. Each habit can be switched on by its name.

Pure functions; the names and meanings are the table that the command line and the control API use.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from html.parser import HTMLParser
from typing import Any
from urllib.parse import quote

from airflow_provider_campaigns.sandbox.exchange import Reply

HABITS: Mapping[str, str] = {
    "nbsp_characters": "Instantly stores &nbsp; as the character U+00A0",
    "drop_loose_text": "Instantly drops text outside of elements",
    "reorder_styles": "Instantly writes style declarations in another order",
    "strip_styles": "Instantly drops style attributes",
    "other_quotes": "Instantly writes attributes and entities in another form",
    "reorder_lists": "Instantly stores lists of strings in another order",
    "empty_bodies": "Instantly stores an empty body",
    "dry_campaigns_complete": "Instantly completes a campaign one loop after it found no lead to mail",
    "old_tracking": "Instantly reports a completed campaign with the time and tracking of its last loop",
    "lagging_snapshots": "Instantly changes the sending status of an active campaign only with the next loop",
    "null_estimates": "Instantly reports waiting follow-ups without a time",
    "sparse_out_of_schedule": "Out of schedule, Instantly reports an old time and few diagnostics",
    "refuse_drafts": "Instantly refuses the sending status of a draft (400)",
    "edge_block": "Cloudflare refuses every request to Instantly (403, error 1010)",
    "edge_rate_limit": "Cloudflare limits every other request to Instantly (429, error 1015)",
    "encode_merge_tags": "Campaign Cleaner URL-encodes merge tags in links",
    "drop_tag_comments": "Campaign Cleaner drops comments that hold merge tags",
    "plain_nbsp": "Campaign Cleaner replaces &nbsp; by a space",
    "empty_html": "Campaign Cleaner returns an empty body",
}

_EDGE_WAIT = 1
_EDGE_ERRORS: Mapping[int, tuple[int, str, str]] = {
    1010: (
        403,
        "browser_signature_banned",
        "The site owner has blocked access based on your browser's signature",
    ),
    1015: (429, "rate_limited", "You are being rate limited"),
}
_BRACES = re.compile(r"\{\{[^{}]*\}\}|\{\w+\}|\*\|[^|]*\|\*")
_TAG_COMMENT = re.compile(r"<!--(?:(?!-->).)*?(?:\{\{|\{%|\*\|)(?:(?!-->).)*-->", re.DOTALL)
_LINK = re.compile(r"""(\b(?:href|src)\s*=\s*)("[^"]*"|'[^']*')""", re.IGNORECASE)
_VOID = frozenset({"br", "hr", "img", "input", "meta", "link", "area", "col", "base", "wbr"})


def check_habits(names: Collection[str]) -> None:
    """Refuse names that are not habits.

    :raises ValueError: names the first one.
    """
    unknown = next((name for name in names if name not in HABITS), None)
    if unknown is not None:
        raise ValueError(f"{unknown!r} is not a habit (known: {', '.join(HABITS)})")


def stored_fields(fields: Mapping[str, Any], habits: Collection[str]) -> dict[str, Any]:
    """Return the fields of a campaign as Instantly stores them."""
    stored = dict(fields)
    if "reorder_lists" in habits:
        for name, value in stored.items():
            if isinstance(value, list) and all(isinstance(each, str) for each in value):
                stored[name] = sorted(value, reverse=True)
    for sequence in stored.get("sequences", ()):
        for step in sequence["steps"]:
            for variant in step["variants"]:
                variant["body"] = stored_body(variant["body"], habits)
    return stored


def stored_body(body: str, habits: Collection[str]) -> str:
    """Return a body as Instantly stores it."""
    if "empty_bodies" in habits:
        return ""
    rewriter = _Sanitiser(habits)
    rewriter.feed(body)
    rewriter.close()
    return "".join(rewriter.out)


def cleaned_html(html: str, habits: Collection[str]) -> str:
    """Return cleaned HTML as Campaign Cleaner is reported to change it."""
    if "empty_html" in habits:
        return "<html><head></head><body></body></html>"
    if "drop_tag_comments" in habits:
        html = _TAG_COMMENT.sub("", html)
    if "encode_merge_tags" in habits:
        html = _LINK.sub(
            lambda link: link[1] + _BRACES.sub(lambda tag: quote(tag[0], safe="*"), link[2]), html
        )
    return re.sub("&nbsp;|\xa0", " ", html) if "plain_nbsp" in habits else html


def edge_error(habits: Collection[str], number: int) -> int | None:
    """Return Cloudflare's error code for a request to Instantly; None if it lets the request pass.

    :param number: the number of the request, counted from 1.
    """
    if "edge_block" in habits:
        return 1010
    return 1015 if "edge_rate_limit" in habits and number % 2 else None


def edge_reply(code: int) -> Reply:
    """Return an error of Cloudflare as it answers a client that accepts JSON.

    https://developers.cloudflare.com/support/troubleshooting/http-status-codes/cloudflare-1xxx-errors/
    """
    status, name, detail = _EDGE_ERRORS[code]
    is_limit = status == 429  # noqa: PLR2004
    body = {
        "type": f"https://developers.cloudflare.com/errors/{code}",
        "title": f"Error {code}: {name}",
        "status": status,
        "detail": detail,
        "instance": "8f0000000000000",
        "error_code": code,
        "error_name": name,
        "error_category": "rate_limit" if is_limit else "access_denied",
        "ray_id": "8f0000000000000",
        "cloudflare_error": True,
        "retryable": is_limit,
        "owner_action_required": not is_limit,
        **({"retry_after": _EDGE_WAIT} if is_limit else {}),
    }
    return Reply(json.dumps(body).encode(), status, "application/problem+json")


class _Sanitiser(HTMLParser):
    """Writes HTML again with the habits of Instantly."""

    def __init__(self, habits: Collection[str]) -> None:
        super().__init__(convert_charrefs=False)
        self.out: list[str] = []
        self._habits = habits
        self._depth = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._depth += tag not in _VOID
        self._write_tag(attrs)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._write_tag(attrs)

    def handle_endtag(self, tag: str) -> None:
        self._depth -= tag not in _VOID and self._depth > 0
        self.out.append(f"</{tag}>")

    def handle_data(self, data: str) -> None:
        if self._depth or "drop_loose_text" not in self._habits:
            self.out.append(data)

    def handle_entityref(self, name: str) -> None:
        is_nbsp = name == "nbsp" and "nbsp_characters" in self._habits
        other = {"quot": '"', "rsquo": "\u2019", "copy": "\xa9"} if "other_quotes" in self._habits else {}
        self.handle_data("\xa0" if is_nbsp else other.get(name, f"&{name};"))

    def handle_charref(self, name: str) -> None:
        self.handle_data(f"&#{name};")

    def handle_comment(self, data: str) -> None:
        self.out.append(f"<!--{data}-->")

    def handle_decl(self, decl: str) -> None:
        self.out.append(f"<!{decl}>")

    def unknown_decl(self, data: str) -> None:
        self.out.append(f"<![{data}]>")

    def handle_pi(self, data: str) -> None:
        self.out.append(f"<?{data}>")

    def _write_tag(self, attrs: list[tuple[str, str | None]]) -> None:
        """Write a start tag: unchanged, unless a habit changes its attributes."""
        written = self.get_starttag_text() or ""
        if not {"strip_styles", "reorder_styles", "other_quotes"} & set(self._habits):
            self.out.append(written)
            return
        name = re.match(r"<[^\s/>]+", written)
        values = "".join(self._attribute(*each) for each in attrs)
        self.out.append(f"{name[0] if name else '<'}{values}{' />' if written.endswith('/>') else '>'}")

    def _attribute(self, name: str, value: str | None) -> str:
        if name == "style" and "strip_styles" in self._habits:
            return ""
        if value is None:
            return f" {name}"
        if name == "style" and "reorder_styles" in self._habits:
            value = "; ".join(sorted(filter(None, map(str.strip, value.split(";")))))
        quotes = "'\"" if "other_quotes" in self._habits else "\"'"
        mark = quotes[0] if quotes[0] not in value else quotes[1]
        escaped = value.replace("&", "&amp;").replace(mark, "&#39;" if mark == "'" else "&quot;")
        return f" {name}={mark}{escaped}{mark}"

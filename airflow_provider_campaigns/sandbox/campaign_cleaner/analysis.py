"""Analyses submitted HTML, and writes a PDF of one page. No I/O: links are not fetched, their names decide.

A link with host ``broken.test`` or with ``broken`` in its path counts as broken, host ``blacklisted.test`` as
blacklisted, and host ``slow-cdn.test`` as a CDN with poor delivery.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from html import unescape
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urlsplit

from airflow_provider_campaigns.sandbox.campaign_cleaner.cleaning import (
    Attributes,
    absolute_link,
    is_unsafe_link,
)

BROKEN_HOST = "broken.test"
BLACKLISTED_HOST = "blacklisted.test"
POOR_CDN_HOST = "slow-cdn.test"

_SPAM_KEYWORDS = (
    "act now", "buy now", "cash bonus", "click here", "earn money", "free", "guarantee", "limited time",
    "no obligation", "risk-free", "urgent", "winner",
)  # fmt: skip
_MAX_CAPITALIZED_RATIO = 0.1
_OVERSIZED_WIDTH = 1000
_WORD = re.compile(r"[^\W_]+(?:['\u2019-][^\W_]+)*")
_BACKGROUND = re.compile(r"background(?:-image)?\s*:[^;]*url\(\s*['\"]?([^'\")]+)", re.IGNORECASE)
_TEMPLATE = re.compile(r"^(?:\{\{|\{%|\*\|)")
_MERGE_TAG = re.compile(r"\{\{.*?\}\}|\{%.*?%\}|\*\|.*?\|\*", re.DOTALL)
_INVISIBLE = {"script", "style", "title"}
_LINES_ON_A_PAGE = 46


def analyse(html: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the service's report on a campaign, without its name and its HTML."""
    survey = _Survey(settings.get("relative_links_base_url"))
    survey.feed(html)
    survey.close()
    links = [_link(address, is_image=is_image) for address, is_image in survey.links]
    report = {**_words(survey), **_links(links), **_images(survey, links)}
    words = report["total_word_count"]
    report["text_image_ratio"] = _ratio(words, words + len(survey.images))
    report["text_link_ratio"] = _ratio(words, words + len(links))
    report["campaign_summary"] = _summary(report, survey)
    return report


@dataclass
class _Image:
    url: str
    alt: str | None
    width: int | None


@dataclass
class _Survey(HTMLParser):
    """Collects text, links and images."""

    base_url: str | None
    text: list[str] = field(default_factory=list)
    links: list[tuple[str, bool]] = field(default_factory=list)
    images: list[_Image] = field(default_factory=list)
    backgrounds: list[str] = field(default_factory=list)
    headings: int = 0
    untitled_links: int = 0
    silent: int = 0

    def __post_init__(self) -> None:
        super().__init__(convert_charrefs=True)

    def handle_starttag(self, tag: str, attrs: Attributes) -> None:
        given = {name: value or "" for name, value in attrs}
        self.silent += tag in _INVISIBLE
        self.headings += bool(re.fullmatch("h[1-6]", tag))
        self.text.append(" ")
        if tag in {"a", "area"} and given.get("href", "#")[:1] != "#":
            self.links.append((self._absolute(given["href"]), False))
            self.untitled_links += not given.get("title")
        if tag == "img" and given.get("src"):
            self._image(given)
        self.backgrounds += [self._absolute(url) for url in (given.get("background"),) if url]
        self.backgrounds += [self._absolute(url) for url in _BACKGROUND.findall(given.get("style", ""))]

    def handle_endtag(self, tag: str) -> None:
        self.silent -= tag in _INVISIBLE and self.silent > 0
        self.text.append(" ")

    def handle_data(self, data: str) -> None:
        if not self.silent:
            self.text.append(data)

    def _image(self, given: Mapping[str, str]) -> None:
        url = self._absolute(given["src"])
        width = re.match(r"\d+", given.get("width", ""))
        self.images.append(_Image(url, given.get("alt"), int(width.group()) if width else None))
        if not url.startswith("data:"):
            self.links.append((url, True))

    def _absolute(self, address: str) -> str:
        address = unescape(address).strip()
        if not self.base_url or _TEMPLATE.match(address):
            return address
        return absolute_link(self.base_url, address)


def _link(address: str, *, is_image: bool) -> dict[str, Any]:
    status = _link_status(address)
    return {
        "link_url": address,
        "link_status": status,
        "link_redirected_url": "",
        "link_is_image": is_image,
        "link_is_broken": status in {"404", "99"},
        "link_initial": True,
    }


def _link_status(address: str) -> str:
    """Return the service's status of a link; 97 to 99 for links that are not web addresses."""
    lowered = address.lower()
    if _TEMPLATE.match(address):
        return "200"
    if lowered.startswith("mailto:"):
        return "98"
    if lowered.startswith("tel:"):
        return "97"
    host, path = _split(address)
    if not host or is_unsafe_link(address) or not lowered.startswith(("http://", "https://")):
        return "99"
    return "404" if _is_host(host, BROKEN_HOST) or "broken" in path.lower() else "200"


def _split(address: str) -> tuple[str, str]:
    try:
        parts = urlsplit(address)
    except ValueError:
        return "", ""
    return parts.hostname or "", parts.path


def _is_host(host: str, domain: str) -> bool:
    return host == domain or host.endswith(f".{domain}")


def _words(survey: _Survey) -> dict[str, Any]:
    text = _MERGE_TAG.sub(" ", "".join(survey.text))
    words = _WORD.findall(text)
    capitalized = [word for word in words if len(word) > 1 and word.isupper() and not word.isdigit()]
    lowered = " ".join(text.lower().split())
    counts = {word: len(re.findall(rf"\b{re.escape(word)}\b", lowered)) for word in _SPAM_KEYWORDS}
    found = [{"keyword": word, "count": count} for word, count in counts.items() if count]
    return {
        "total_word_count": len(words),
        "all_capitalized_words": len(capitalized),
        "all_capitalized_word_ratio": _ratio(len(capitalized), len(words)),
        "all_capitalized_word_max_acceptable_ratio": _MAX_CAPITALIZED_RATIO,
        "spam_words_count": sum(counts.values()),
        "spam_keyword_ratio": _ratio(sum(counts.values()), len(words)),
        "spam_keyword_list": found,
    }


def _links(links: list[dict[str, Any]]) -> dict[str, Any]:
    hosts = {host for link in links if (host := _split(link["link_url"])[0])}
    poor = sorted(host for host in hosts if _is_host(host, POOR_CDN_HOST))
    blacklisted = [
        link["link_url"] for link in links if _is_host(_split(link["link_url"])[0], BLACKLISTED_HOST)
    ]
    return {
        "all_link_list": links,
        "links_scanned": len(links),
        "broken_links": sum(link["link_is_broken"] for link in links),
        "blacklisted_links_found": len(blacklisted),
        "blacklisted_links": blacklisted,
        "domains_scanned": len(hosts),
        "pd_cdns_found": len(poor),
        "pd_cdn_list": poor,
    }


def _images(survey: _Survey, links: list[dict[str, Any]]) -> dict[str, Any]:
    broken = {link["link_url"] for link in links if link["link_is_broken"]}
    described: list[dict[str, Any]] = [
        {
            "image_url": image.url,
            "image_alt": image.alt or "",
            "image_width": image.width,
            "image_is_broken": image.url in broken,
        }
        for image in survey.images
    ]
    return {
        "image_count": len(described),
        "image_list": described,
        "os_image_list": [each for each in described if (each["image_width"] or 0) > _OVERSIZED_WIDTH],
        "bg_image_list": [{"image_url": url} for url in survey.backgrounds],
    }


def _summary(report: Mapping[str, Any], survey: _Survey) -> list[dict[str, Any]]:
    """Return one line per check: the count, and whether the check passed."""
    without_alt = sum(not image.alt for image in survey.images)
    too_loud = report["all_capitalized_word_ratio"] > _MAX_CAPITALIZED_RATIO
    checks = (
        ("Broken links", report["broken_links"], not report["broken_links"]),
        ("Blacklisted links", report["blacklisted_links_found"], not report["blacklisted_links_found"]),
        ("Poorly delivering CDNs", report["pd_cdns_found"], not report["pd_cdns_found"]),
        ("Spam words", report["spam_words_count"], not report["spam_words_count"]),
        ("Capitalized words", report["all_capitalized_words"], not too_loud),
        ("Oversized images", len(report["os_image_list"]), not report["os_image_list"]),
        ("Images without alternative text", without_alt, not without_alt),
        ("Links without title", survey.untitled_links, True),
        ("Headings", survey.headings, True),
    )
    return [{"check": check, "count": count, "passed": passed} for check, count, passed in checks]


def _ratio(part: int, whole: int) -> float:
    return round(part / whole, 4) if whole else 0.0


def one_page_pdf(lines: Iterable[str]) -> bytes:
    """Return a PDF with the lines that fit on one page."""
    shown = [_literal(line) for line in list(lines)[:_LINES_ON_A_PAGE]]
    text = b"BT /F1 11 Tf 16 TL 50 790 Td " + b" ".join(b"(%s) Tj T*" % line for line in shown) + b" ET"
    objects = (
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R "
        b"/Resources << /Font << /F1 5 0 R >> >> >>",
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(text), text),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>",
    )
    out = bytearray(b"%PDF-1.4\n")
    offsets = []
    for number, content in enumerate(objects, start=1):
        offsets.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, content)
    table = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    size = len(objects) + 1
    trailer = b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (size, len(out))
    return bytes(out) + b"xref\n0 %d\n0000000000 65535 f \n" % size + table + trailer


def _literal(line: str) -> bytes:
    escaped = line.replace("\\", r"\\").replace("(", r"\(").replace(")", r"\)")
    return " ".join(escaped.split()).encode("cp1252", "replace")

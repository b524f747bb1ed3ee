"""Merge tags: the placeholders in a mail that the sending program replaces."""

from __future__ import annotations

import re
from collections import Counter
from urllib.parse import unquote

# A notation of merge tags: where it is used, an example, and its pattern.
DIALECTS: tuple[tuple[str, str, str], ...] = (
    (
        "Instantly, HubSpot, Brevo, Klaviyo, Handlebars, Liquid, Jinja",
        "{{firstName}}",
        r"\{\{\{?[^{}]{1,300}\}?\}\}",
    ),
    ("Liquid, Jinja (tags)", "{% if city %}", r"\{%[^%]{1,300}%\}"),
    (
        "Instantly (links), MailerLite",
        "{unsubscribe_link}, {$name}",
        r"(?<![{$])\{\$?[A-Za-z_][\w.]{0,80}\}(?!\})",
    ),
    ("Spintax", "{Hi|Hello}", r"(?<!\{)\{[^{}|<>;]{0,200}(?:\|[^{}|<>;]{0,200})+\}(?!\})"),
    ("Mailchimp, Mandrill", "*|FNAME|*", r"\*\|[^|]{1,200}\|\*"),
    ("Salesforce Marketing Cloud", "%%first_name%%", r"%%[^%\s][^%]{0,200}%%"),
    ("ActiveCampaign", "%FIRSTNAME%", r"(?<!%)%[A-Z][A-Z0-9_-]{1,80}%(?!%)"),
    ("Salesforce", "{!Contact.FirstName}", r"\{![A-Za-z_][\w.]{0,80}\}"),
    (
        "Adobe Campaign, Iterable (catalogue)",
        "[[name]], <%= name %>",
        r"\[\[[^\[\]]{1,200}\]\]|<%[^%]{1,200}%>",
    ),
    ("Campaign Monitor", "[firstname,fallback=there]", r"\[[a-z]{1,40},\s*fallback=[^\]]{0,100}\]"),
    ("Marketo, Java templates", "${lead.FirstName}", r"\$\{[A-Za-z_][\w.:\- ]{0,100}\}"),
    ("Keap", "~Contact.FirstName~", r"~[A-Za-z]{1,40}(?:\.[A-Za-z_]{1,40})+~"),
)
MERGE_TAG = re.compile("|".join(f"(?:{pattern})" for _, _, pattern in DIALECTS))
_TAG = re.compile(r"<[a-zA-Z!/][^<>]*>")


def merge_tags(text: str) -> Counter[str]:
    """Return how often each merge tag occurs in a string, white space inside it aside."""
    return Counter("".join(match.group().split()) for match in MERGE_TAG.finditer(text))


def is_placeholder(url: str) -> bool:
    """Return whether a URL is a merge tag and nothing else, such as ``{unsubscribe_link}``."""
    return MERGE_TAG.fullmatch(unquote(url.strip())) is not None


def looks_like_html(text: str) -> bool:
    """Return whether a string contains at least one HTML tag."""
    return _TAG.search(text) is not None

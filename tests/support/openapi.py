"""Instantly's own description of its API, where a copy of it is at hand, and what it says of a request."""

from __future__ import annotations

import json
import os
import re
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import jsonschema
import pytest

from tests.support.fake_server import Request

DESCRIPTION = os.environ.get("INSTANTLY_OPENAPI", "")
needs_description = pytest.mark.skipif(
    not Path(DESCRIPTION).is_file(),
    reason="set INSTANTLY_OPENAPI to a copy of the vendor's OpenAPI file to check against it",
)


@cache
def description() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(Path(DESCRIPTION).read_text())
    return loaded


def check(value: Any, schema: dict[str, Any]) -> None:
    """Raise unless a JSON value is as a schema of the description has it."""
    whole = {**schema, "components": description()["components"]}
    jsonschema.Draft202012Validator(whole, format_checker=jsonschema.FormatChecker()).validate(value)


def check_request(request: Request) -> None:
    """Raise unless a request is one that the description knows: path, query and body."""
    address = urlsplit(request.path)
    template, parts = _template_of(address.path, request.method.lower())
    operation = description()["paths"][template][request.method.lower()]
    schemas = {each["name"]: each["schema"] for each in operation.get("parameters", ())}
    for name, part in parts.items():
        check(unquote(part), schemas.pop(name))
    for name, texts in parse_qs(address.query, keep_blank_values=True).items():
        _must(name in schemas, f"{request.method} {template} knows no query parameter {name!r}")
        check(_value_of(texts, schemas[name]), schemas[name])
    _check_body(request, operation.get("requestBody"))


def _template_of(path: str, method: str) -> tuple[str, dict[str, str]]:
    """Find the path of the description that fits, the one with the fewest variable parts first."""
    for template in sorted(description()["paths"], key=lambda each: each.count("{")):
        pattern = re.sub(r"\\{(\w+)\\}", r"(?P<\1>[^/]+)", re.escape(template))
        found = re.fullmatch(pattern, path)
        if found and method in description()["paths"][template]:
            return template, found.groupdict()
    raise AssertionError(f"The description knows no {method.upper()} {path}")


def _value_of(texts: list[str], schema: dict[str, Any]) -> Any:
    if schema["type"] == "array":
        return texts
    _must(len(texts) == 1, "only a list may be given more than once")
    (text,) = texts
    if schema["type"] in {"integer", "number", "boolean"}:
        return json.loads(text)
    return text


def _check_body(request: Request, described: dict[str, Any] | None) -> None:
    sent = {name.lower(): value for name, value in request.headers.items()}
    _must(("content-type" in sent) == bool(request.body), "a content type goes with a body, and only so")
    if not request.body:
        _must(not (described or {}).get("required"), "a body is required")
        return
    _must(described is not None, "no body is known here")
    schema = described["content"][sent["content-type"]]["schema"]
    check(request.json, schema)
    unknown = request.json.keys() - schema["properties"].keys()
    _must(not unknown, f"these members are not known: {unknown}")


def _must(holds: bool, otherwise: str) -> None:
    if not holds:
        raise AssertionError(otherwise)

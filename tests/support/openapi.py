"""Check requests and responses against Instantly's OpenAPI description, if there is a copy of it."""

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
    """Raise unless a JSON value matches a schema of the description."""
    whole = {**schema, "components": description()["components"]}
    jsonschema.Draft202012Validator(whole, format_checker=jsonschema.FormatChecker()).validate(value)


def check_request(request: Request) -> None:
    """Raise unless path, query and body of a request match the description."""
    address = urlsplit(request.path)
    template, parts = _template_of(address.path, request.method.lower())
    operation = description()["paths"][template][request.method.lower()]
    schemas = {each["name"]: each["schema"] for each in operation.get("parameters", ())}
    for name, part in parts.items():
        check(unquote(part), schemas.pop(name))
    for name, values in parse_qs(address.query, keep_blank_values=True).items():
        _must(name in schemas, f"{request.method} {template} has no query parameter {name!r}")
        check(_value_of(values, schemas[name]), schemas[name])
    _check_body(request, operation.get("requestBody"))


def _template_of(path: str, method: str) -> tuple[str, dict[str, str]]:
    """Return the matching path of the description, the one with the fewest variable segments first."""
    for template in sorted(description()["paths"], key=lambda each: each.count("{")):
        pattern = re.sub(r"\\{(\w+)\\}", r"(?P<\1>[^/]+)", re.escape(template))
        found = re.fullmatch(pattern, path)
        if found and method in description()["paths"][template]:
            return template, found.groupdict()
    raise AssertionError(f"The description does not contain {method.upper()} {path}")


def _value_of(values: list[str], schema: dict[str, Any]) -> Any:
    if schema["type"] == "array":
        return values
    _must(len(values) == 1, "only a list may be repeated")
    (value,) = values
    if schema["type"] in {"integer", "number", "boolean"}:
        return json.loads(value)
    return value


def _check_body(request: Request, described: dict[str, Any] | None) -> None:
    sent = {name.lower(): value for name, value in request.headers.items()}
    _must(
        ("content-type" in sent) == bool(request.body),
        "a body needs a content type, and a content type a body",
    )
    if not request.body:
        _must(not (described or {}).get("required"), "a body is required")
        return
    _must(described is not None, "the description has no body here")
    schema = described["content"][sent["content-type"]]["schema"]
    check(request.json, schema)
    unknown = request.json.keys() - schema["properties"].keys()
    _must(not unknown, f"the description does not have the fields {unknown}")


def _must(holds: bool, otherwise: str) -> None:
    if not holds:
        raise AssertionError(otherwise)

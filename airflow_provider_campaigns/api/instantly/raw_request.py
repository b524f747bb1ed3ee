"""A call to any endpoint that has no function of its own."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

from airflow_provider_campaigns.api.call import Call
from airflow_provider_campaigns.api.instantly.base import ROOT, SERVICE

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"})
# Visible ASCII that starts with exactly one slash and contains neither a query nor a fragment.
_PATH = re.compile(r"/(?!/)[!\"$->@-\[\]-~]*")


def request(
    method: str, path: str, *, params: Mapping[str, Any] | None = None, json_body: Any = None
) -> Call[Any]:
    """Build a call to any endpoint; returns the decoded JSON as it is.

    :param method: HTTP method; only a GET counts as idempotent.
    :param path: path below ``/api/v2``, with or without that prefix.
    :param params: query parameters.
    :param json_body: JSON body.
    :raises ValueError: the method is unknown, or the path is not below the prefix.
    """
    method = method.upper()
    if method not in _METHODS:
        raise ValueError(f"method must be one of {', '.join(sorted(_METHODS))}, got {method!r}.")
    path = path.removeprefix(ROOT)
    _check_path(path)
    return Call(
        SERVICE,
        method,
        f"{ROOT}{path}",
        lambda payload: payload,
        params=params,
        body=json_body,
        idempotent=method == "GET",
    )


def _check_path(path: str) -> None:
    if not _PATH.fullmatch(path):
        raise ValueError(
            f"path must be a path below {ROOT}, starting with a slash, without a query, and percent-encoded "
            f"where necessary, got {path!r}."
        )
    plain = path
    while (decoded := unquote(plain)) != plain:
        plain = decoded
    if {".", ".."} & set(re.split(r"[/\\]", plain)):
        raise ValueError(f"path must not contain the segment '.' or '..', got {path!r}.")

"""The web application: a fixed set of files, read once, each with a strict content security policy."""

from __future__ import annotations

import json
from pathlib import Path

from fastapi import FastAPI, Response

from airflow_provider_campaigns.links import INSTANTLY_APP
from airflow_provider_campaigns.rules.gate_rules import RULES

_STATIC = Path(__file__).parent / "static"
_NOTHING = "default-src 'none'; base-uri 'none'; form-action 'none'"
# The pages build their content without HTML, which "trusted-types" makes the browser enforce.
_PAGE = (
    f"{_NOTHING}; script-src 'self'; style-src 'self'; img-src data:; connect-src 'self'; "
    f"frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
)
# A frame with the HTML of a campaign. The document inside it has a sandbox, and this policy too.
# Its script removes base elements; a policy on them would also be an error in the console.
_FRAME = (
    "default-src 'none'; form-action 'none'; script-src 'self'; style-src 'unsafe-inline'; "
    "frame-ancestors 'self'"
)
# Path, file, content security policy.
_FILES = (
    ("/", "board.html", _PAGE),
    ("/report/", "report.html", f"{_PAGE}; frame-src 'self'"),
    ("/frame/", "frame.html", f"{_FRAME}; img-src data:"),
    ("/frame-images/", "frame.html", f"{_FRAME}; img-src data: http: https:"),
    ("/board.js", "board.js", _NOTHING),
    ("/report.js", "report.js", _NOTHING),
    ("/frame.js", "frame.js", _NOTHING),
    ("/airflow.js", "airflow.js", _NOTHING),
    ("/pages.css", "pages.css", _NOTHING),
)
_TYPES = {".html": "text/html", ".js": "text/javascript", ".css": "text/css"}


def create_app() -> FastAPI:
    """Return the application that Airflow's API server mounts."""
    app = FastAPI(title="Campaigns", docs_url=None, redoc_url=None, openapi_url=None)
    for path, name, policy in _FILES:
        _add(app, path, (_STATIC / name).read_bytes(), _TYPES[Path(name).suffix], policy)
    facts = {
        "advice": {code.value: rule.advice for code, rule in RULES.items()},
        "instantly": INSTANTLY_APP,
    }
    _add(app, "/facts.json", json.dumps(facts).encode(), "application/json", _NOTHING)
    return app


def _add(app: FastAPI, path: str, content: bytes, media_type: str, policy: str) -> None:
    headers = {
        "Content-Security-Policy": policy,
        "Cache-Control": "no-cache",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
    }

    async def send() -> Response:
        return Response(content, media_type=media_type, headers=headers)

    app.get(path)(send)

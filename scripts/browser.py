"""Starts a Chromium for Playwright: the one of the system, or the one that Playwright has installed."""

from __future__ import annotations

import shutil
from typing import Any

_NAMES = ("chromium", "chromium-browser", "google-chrome")


def launch(playwright: Any) -> Any:
    """Start the browser, without its own sandbox, which needs rights that a container may not have."""
    system = next(filter(None, map(shutil.which, _NAMES)), None)
    return playwright.chromium.launch(executable_path=system, args=["--no-sandbox"])

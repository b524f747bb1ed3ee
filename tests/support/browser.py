"""A real Chromium, driven by Playwright: the one of the system, or the one that Playwright has installed."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

_NAMES = ("chromium", "chromium-browser", "google-chrome")


@contextmanager
def chromium() -> Iterator[Any]:
    """Start a browser; a test is skipped with the reason where there is none."""
    playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
    system = next(filter(None, map(shutil.which, _NAMES)), None)
    with playwright.sync_playwright() as started:
        try:
            # Without its own sandbox, which needs rights that a container may not have.
            browser = started.chromium.launch(executable_path=system, args=["--no-sandbox"])
        except playwright.Error as error:
            pytest.skip(f"no Chromium: install Debian's package chromium. {error.message.splitlines()[0]}")
        yield browser
        browser.close()

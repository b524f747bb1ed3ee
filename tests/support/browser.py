"""A real Chromium, driven by Playwright."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from scripts.browser import launch


@contextmanager
def chromium() -> Iterator[Any]:
    """Start a browser; a test is skipped with the reason where there is none."""
    playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
    with playwright.sync_playwright() as started:
        try:
            browser = launch(started)
        except playwright.Error as error:
            pytest.skip(f"no Chromium: install Debian's package chromium. {error.message.splitlines()[0]}")
        yield browser
        browser.close()

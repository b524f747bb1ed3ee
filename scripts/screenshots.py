"""Makes the pictures of the pages in docs/images, from a real Airflow with the sandbox.

Airflow and the pages use the font Inter where it is installed, such as by Debian's package fonts-inter.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import sync_playwright

from scripts.browser import launch
from scripts.demo import CHECKOUT, relative, say
from scripts.showcase import fill, showcase

HOME = CHECKOUT / ".airflow" / "screenshots"
IMAGES = CHECKOUT / "docs" / "images"
_WIDTH = 1200
_COLOURS = 64


def main() -> int:
    """Make the pictures, and return the exit code."""
    shutil.rmtree(HOME, ignore_errors=True)
    with showcase(HOME) as (airflow, _), sync_playwright() as playwright:
        say("Airflow runs. Filling it with campaigns ...")
        filled = fill(airflow)
        browser = launch(playwright)
        page = browser.new_page(viewport={"width": _WIDTH, "height": 900}, device_scale_factor=1.5)
        page.goto(f"{airflow.url}/auth/token/login")  # signs in: every user is an administrator here
        page.goto(f"{airflow.url}/campaigns/")
        take(page, "health-board.png", height=820)
        page.goto(airflow.url + filled.cleaned)
        take(page, "cleaning-report.png", height=1800)
        page.goto(airflow.url + filled.question)
        page.get_by_role("button", name="Look again", exact=True).wait_for()
        take(page, "question.png", height=980)
        browser.close()
    return 0


def take(page: Any, name: str, *, height: int) -> None:
    """Take a picture of the top of a page."""
    page.set_viewport_size({"width": _WIDTH, "height": height})
    page.wait_for_selector("body:not(:has([aria-busy]))")
    page.wait_for_timeout(1500)  # the frames
    path: Path = IMAGES / name
    page.screenshot(path=path)
    with Image.open(path) as picture:
        # With a palette, which makes a picture of text and areas three times smaller.
        picture.convert("RGB").quantize(_COLOURS, dither=Image.Dither.NONE).save(path, optimize=True)
    say(f"{relative(path)} ({path.stat().st_size // 1024} KiB)")


if __name__ == "__main__":
    sys.exit(main())

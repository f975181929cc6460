"""A real Chromium for pages as their readers see them. Pictures of what was seen are kept in `build/screenshots`."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

SCREENSHOTS = Path(__file__).parents[2] / "build" / "screenshots"
NAMES = ("chromium", "chromium-browser", "google-chrome")
PAGES = ("/report.html", "/check.html")
PATIENCE_MS = 60_000
"""A busy machine may take long to draw a page."""
expect.set_options(timeout=PATIENCE_MS)
Opener = Callable[..., Page]


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Chromium from the system's packages, which `.ci/run` installs; without it, tests are skipped."""
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        pytest.skip("chromium is not installed")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"], timeout=PATIENCE_MS)
        yield started
        started.close()


@pytest.fixture
def open_page(browser: Browser) -> Iterator[Opener]:
    """Opens a file in a window of its own. At the end, no page may have requested another file or met an error."""
    contexts, requests, errors = [], [], []

    def open_(path: Path, view: str = "", **options: object) -> Page:
        context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}, **options})
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(PATIENCE_MS)
        page.on("request", lambda request: requests.append(request.url.partition("#")[0]))
        page.on("console", lambda message: errors.append(message.text))
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(path.as_uri() + view)
        return page

    yield open_
    for context in contexts:
        context.close()
    assert errors == []
    pages = ("/report.html", "/check.html", "/history.html")
    assert all(url.startswith("file:///") and url.endswith(pages) for url in requests), requests


@pytest.fixture
def keep_picture(request: pytest.FixtureRequest) -> Callable[[Page], None]:
    """Keeps a picture of what a window shows, named after the test."""

    def keep(page: Page) -> None:
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        name = re.sub(r"\W+", "-", request.node.name).strip("-")
        page.screenshot(path=SCREENSHOTS / f"{name}.png")

    return keep

"""`history.html` in a real browser."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from harness.cli.history import history_
from tests import synthetic
from tests.past_runs import write_summary

pytestmark = pytest.mark.long

PHONE = {"viewport": {"width": 390, "height": 844}}
Opener = Callable[..., Page]


@pytest.fixture(scope="session")
def page_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Nine runs with steps up and down, and one under other conditions."""
    folder = tmp_path_factory.mktemp("history")
    factors = (1.0, 1.01, 1.3, 1.3, 1.31, 1.0, 1.0, 0.7, 0.7)
    runs = [
        write_summary(folder / f"runs/{day}", day, {"granian": factor}) for day, factor in enumerate(factors, start=1)
    ]
    runs.append(write_summary(folder / "runs/10", 10, run=synthetic.run_info(control=True, users=(8,))))
    history_([*runs, folder / "lost"], out=folder)
    return folder / "history.html"


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("window", ["wide", "phone"])
def test_axe_finds_no_violation_and_nothing_is_wider_than_the_screen(
    page_file: Path, open_page: Opener, keep_picture: Callable[[Page], None], theme: str, window: str
) -> None:
    phone = PHONE if window == "phone" else {}
    page = open_page(page_file, color_scheme=theme, bypass_csp=True, **phone)
    keep_picture(page)
    page.locator("details").evaluate_all("all => all.forEach(each => { each.open = true })")
    assert page.evaluate("document.documentElement.scrollWidth") == (390 if phone else 1280)
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()


def test_a_step_leads_to_the_chart_that_shows_it(page_file: Path, open_page: Opener) -> None:
    page = open_page(page_file)
    step = page.locator(".decisions li", has_text="granian on ws_echo").first
    step.get_by_role("link").click()
    expect(page.get_by_role("img", name="ws_echo · WebSocket").first).to_be_in_viewport()


def test_on_paper_every_run_is_there(page_file: Path, open_page: Opener) -> None:
    page = open_page(page_file, color_scheme="dark")
    row = page.get_by_role("link", name="Conditions 1").first
    expect(row).to_be_visible()
    cell = page.locator("td.verdict").first
    expect(cell).to_be_hidden()
    page.emulate_media(media="print")
    expect(cell).to_be_visible()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"

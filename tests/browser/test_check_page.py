"""`check.html` in a real browser."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from harness.check import pages, report
from harness.check.model import Danger, Entry, Level

pytestmark = pytest.mark.long

SERVERS = tuple(f"server-{number}" for number in range(26))
PHONE = {"viewport": {"width": 390, "height": 844}}
Opener = Callable[..., Page]


def info(name: str, protocol: str, level: Level = "must", danger: Danger | None = None) -> report.CheckInfo:
    words = {"title": f"Check {name}", "expectation": "It MUST.", "source": "RFC 1 §1", "quote": "A server MUST."}
    return msgspec.convert(
        {**words, "name": name, "protocols": [protocol], "force": level, "danger": danger}, report.CheckInfo
    )


CHECKS = (
    info("all-pass", "h1"),
    info("some-fail", "h1", "should", "hangs"),
    info("h2-fails", "h2", "must", "smuggles"),
)


@pytest.fixture(scope="module")
def page_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    entries = [
        Entry(server, protocol, check, outcome, f"expected 1, found 2 from {server}\n→ GET /")
        for number, server in enumerate(SERVERS)
        for protocol, check, outcome in (
            ("h1", "all-pass", "pass"),
            ("h1", "some-fail", "fail" if number % 3 == 0 else "pass"),
            ("h2", "h2-fails", "n/a" if number > 4 else "fail"),
        )
    ]
    setting = report.Setting("CPython", "Linux", dict.fromkeys(SERVERS, "1.0"), {SERVERS[0]: ["serve"]}, {})
    run = report.CheckRun(report.CHECK_SCHEMA, "now", "2026-01-02", (), setting, CHECKS, tuple(entries))
    return pages.write(run, tmp_path_factory.mktemp("check"))


def test_failures_of_some_servers_can_be_shown_alone_and_sent_to_somebody(
    page_file: Path, open_page: Opener, keep_picture: Callable[[Page], None]
) -> None:
    page = open_page(page_file)
    page.get_by_label("Protocol").select_option("HTTP/2")
    page.get_by_label("Show").select_option("failures only")
    page.locator("summary", has_text="Servers:").click()
    page.get_by_role("checkbox", name="server-0", exact=True).uncheck()
    again = open_page(page_file, page.evaluate("location.hash"))
    for each in (page, again):
        expect(each.locator("#h2")).to_be_visible()
        expect(each.locator("#h1")).to_be_hidden()
        expect(each.locator("#h2-some-fail")).to_have_count(0)
        expect(each.locator(".checks thead th[data-server='server-0']:visible")).to_have_count(0)
        expect(each.locator("#table-servers tbody tr:visible")).to_have_count(len(SERVERS) - 1)
    keep_picture(again)
    again.get_by_role("button", name="Show all").click()
    again.get_by_label("Level").select_option("required")
    expect(again.locator("#h1-some-fail")).to_be_hidden()
    expect(again.locator("#h2-h2-fails")).to_be_visible()


@pytest.mark.parametrize("script", [True, False])
def test_a_mark_leads_to_its_evidence(page_file: Path, open_page: Opener, *, script: bool) -> None:
    page = open_page(page_file, java_script_enabled=script)
    evidence = page.locator("#h1-server-3-some-fail pre")
    expect(evidence).to_be_hidden()
    page.locator(".checks td a[href='#h1-server-3-some-fail']").click()
    expect(evidence).to_be_visible()
    expect(page.locator("#h1-server-6-some-fail pre")).to_be_hidden()


def test_a_phone_shows_failures_as_cards(
    page_file: Path, open_page: Opener, keep_picture: Callable[[Page], None]
) -> None:
    page = open_page(page_file, **PHONE)
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    row = page.locator(".checks tbody tr", has_text="some-fail").first
    expect(row.locator("td:visible")).to_have_count(9)
    row.scroll_into_view_if_needed()
    keep_picture(page)


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("window", ["wide", "phone"])
def test_axe_finds_no_violation(page_file: Path, open_page: Opener, theme: str, window: str) -> None:
    page = open_page(page_file, color_scheme=theme, bypass_csp=True, **(PHONE if window == "phone" else {}))
    page.locator("details").evaluate_all("all => all.forEach(each => { each.open = true })")
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()

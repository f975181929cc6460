"""`report.html` in a real browser: what its script does, and what holds without it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from harness import report
from harness.analysis.results import Results
from harness.catalog import listing
from tests import synthetic

pytestmark = pytest.mark.long

SERVERS = ("uvicorn", "granian", "hypercorn", "daphne")
MANY = (*SERVERS, *(f"hypercorn-{number}" for number in range(22)))
PHONE = {"viewport": {"width": 390, "height": 844}}
Opener = Callable[..., Page]


def write(folder: Path, servers: tuple[str, ...]) -> Path:
    """A report of these servers with a control, one case of every verdict, and no charts but the trade-off."""
    run = synthetic.run_info(servers, control=True)
    comparisons = synthetic.summaries(servers, requests_per_case=1_200, control=True)
    charts = [module for module in listing.charts() if module.TITLE == "Trade-off"]
    return report.write(folder, Results(run, comparisons), report.draw(charts, run, comparisons))


@pytest.fixture(scope="session")
def page_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("few"), SERVERS)


@pytest.fixture(scope="session")
def many_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("many"), MANY)


def names_in(page: Page, table: str) -> list[str]:
    """The names of the visible rows of a table, from above."""
    return [row.inner_text().split("\n")[0] for row in page.locator(f"#{table} tbody th").all() if row.is_visible()]


def test_a_click_on_a_column_sorts_and_another_turns_the_order_round(page_file: Path, open_page: Opener) -> None:
    page = open_page(page_file)
    column = page.locator("#table-json-h1 thead th:has(button)", has_text="Requests/s")
    rates = page.locator("#table-json-h1 tbody tr").locator("td[data-label='Requests/s']")

    def numbers() -> list[int]:
        return [int(text.split("\n")[0].replace(",", "")) for text in rates.all_inner_texts()]

    column.get_by_role("button").click()
    assert numbers() == sorted(numbers())
    expect(column).to_have_attribute("aria-sort", "ascending")
    column.get_by_role("button").press("Enter")
    assert numbers() == sorted(numbers(), reverse=True)
    expect(column).to_have_attribute("aria-sort", "descending")
    dots = page.locator("#table-json-h1 tbody .axis").evaluate_all(
        "all => all.map(each => parseFloat(each.style.getPropertyValue('--middle')))"
    )
    assert dots == sorted(dots, reverse=True)


def test_what_has_no_number_comes_last_in_either_order(page_file: Path, open_page: Opener) -> None:
    page = open_page(page_file)
    for _ in range(2):
        page.locator("#table-plaintext-h2 thead th", has_text="p99 ms").get_by_role("button").click()
        assert names_in(page, "table-plaintext-h2")[-1].startswith("uvicorn")


def test_a_view_is_in_the_address_and_comes_back_from_it(
    page_file: Path, open_page: Opener, keep_picture: Callable[[Page], None]
) -> None:
    page = open_page(page_file)
    page.get_by_role("radio", name="p99").check()
    page.get_by_label("Protocol").select_option("HTTP/2 with TLS")
    page.locator("summary", has_text="Servers").click()
    page.get_by_role("checkbox", name="daphne").uncheck()
    page.locator("#table-json-h2 thead th", has_text="CPU").get_by_role("button").click()
    view = page.evaluate("location.hash")
    assert page.locator("#link").get_attribute("href") == view
    again = open_page(page_file, view)
    for each in (page, again):
        expect(each.locator("#matrix-p99")).to_be_visible()
        expect(each.locator("#matrix-throughput")).to_be_hidden()
        expect(each.locator("#json-h2")).to_be_visible()
        expect(each.locator("#json-h1")).to_be_hidden()
        assert "daphne" not in names_in(each, "by-p99")
        expect(each.locator("#table-json-h2 thead th", has_text="CPU")).to_have_attribute("aria-sort", "ascending")
        assert each.locator("#by-p99 thead th:visible").count() == 1 + 3
    assert names_in(page, "table-json-h2") == names_in(again, "table-json-h2")
    keep_picture(again)
    again.locator("#show-all").click()
    assert again.evaluate("location.hash") == "#sort=table-json-h2.8.ascending"
    expect(again.locator("#json-h1")).to_be_visible()
    assert "daphne" in names_in(again, "by-throughput")


@pytest.mark.parametrize("view", ["#measure=x&protocol=h9&sort=a.b.c", "#=&=", "#%", "#sort=by-p99.99.up"])
def test_an_address_that_means_nothing_does_no_harm(page_file: Path, open_page: Opener, view: str) -> None:
    page = open_page(page_file, view)
    expect(page.locator("#matrix-throughput")).to_be_visible()
    expect(page.locator("#json-h1")).to_be_visible()


def test_an_anchor_names_a_comparison_and_shows_it_whatever_is_filtered(page_file: Path, open_page: Opener) -> None:
    page = open_page(page_file)
    page.get_by_label("Protocol").select_option("WebSocket")
    page.evaluate("location.hash = '#echo-h2'")
    expect(page.locator("#echo-h2")).to_be_in_viewport()
    page.locator(".decisions a", has_text="ws_echo").click()
    expect(page.locator("#ws_echo-ws")).to_be_in_viewport()


def test_all_controls_can_be_reached_with_the_keyboard(page_file: Path, open_page: Opener) -> None:
    page = open_page(page_file)
    page.get_by_role("radio", name="Throughput").focus()
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("radio", name="p99")).to_be_checked()
    expect(page.locator("#matrix-p99")).to_be_visible()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.name") == "protocol"
    page.locator("#by-p99 thead button").first.focus()
    page.keyboard.press("Space")
    expect(page.locator("#by-p99 thead th").first).to_have_attribute("aria-sort", "ascending")


@pytest.mark.parametrize("script", [True, False])
def test_a_page_shows_all_that_it_says(page_file: Path, open_page: Opener, *, script: bool) -> None:
    page = open_page(page_file, java_script_enabled=script)
    for part in ("answer", "trust", "matrix", "trade-off", "comparisons", "unanswered", "method"):
        expect(page.locator(f"#{part}")).to_be_visible()
    assert page.locator(".matrix:visible").count() == (1 if script else 4)
    expect(page.locator("#view")).to_be_visible(visible=script)


@pytest.mark.parametrize("servers", ["few", "many"])
def test_on_a_phone_tables_are_cards_and_nothing_is_wider_than_the_screen(
    page_file: Path, many_file: Path, open_page: Opener, keep_picture: Callable[[Page], None], servers: str
) -> None:
    page = open_page(page_file if servers == "few" else many_file, **PHONE)
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    inside = page.locator("main :is(td, th, p, li, h1, h2, h3):visible").evaluate_all(
        "all => all.filter(each => each.getBoundingClientRect().right > innerWidth + 1).map(each => each.outerHTML)"
    )
    assert inside == []
    cell = page.locator("#table-json-h1 tbody tr").first.locator("td[data-label='p99 ms']")
    assert "p99 ms" in cell.evaluate("cell => getComputedStyle(cell, '::before').content")
    page.locator("#matrix").scroll_into_view_if_needed()
    keep_picture(page)


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("window", ["wide", "phone"])
def test_axe_finds_no_violation(
    page_file: Path, open_page: Opener, keep_picture: Callable[[Page], None], theme: str, window: str
) -> None:
    # axe is a script that the page's own policy keeps out.
    page = open_page(page_file, color_scheme=theme, bypass_csp=True, **(PHONE if window == "phone" else {}))
    keep_picture(page)
    page.locator("details").evaluate_all("all => all.forEach(each => { each.open = true })")
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (ground == "rgb(255, 255, 255)") == (theme == "light")


def test_on_paper_everything_is_unfolded_and_light(
    page_file: Path, open_page: Opener, keep_picture: Callable[[Page], None]
) -> None:
    page = open_page(page_file, color_scheme="dark", java_script_enabled=False)
    expect(page.get_by_text("How it was measured")).to_be_visible()
    hidden = page.get_by_text("Every answer is checked.")
    expect(hidden).to_be_hidden()
    page.emulate_media(media="print")
    expect(hidden).to_be_visible()
    assert page.locator(".matrix:visible").count() == 4
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    rules = page.locator("tr, figure").evaluate_all("all => all.map(each => getComputedStyle(each).breakInside)")
    assert set(rules) == {"avoid"}
    keep_picture(page)
    assert page.pdf(prefer_css_page_size=True).startswith(b"%PDF")

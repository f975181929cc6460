"""Every page of the repository: its links lead somewhere, and its published figures are those of the published run."""

from __future__ import annotations

import ast
import re
from functools import cache
from itertools import pairwise
from pathlib import Path
from urllib.parse import unquote

import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token

from tests.pages import Reader

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), ROOT / "results" / "README.md", *ROOT.glob("benchmarks/**/*.md")]
)
_MARKDOWN = MarkdownIt("commonmark").enable("table")
_ELSEWHERE = re.compile(r"[a-z][a-z0-9+.-]*:", re.IGNORECASE)
_RATIO = re.compile(r"\d\.\d\d \(\d\.\d\d – \d\.\d\d\)")


def slug(heading: str) -> str:
    """The anchor that code hosts make of a heading, and the site too: letters, digits, - and _, in lower case."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


def text_of(token: Token) -> str:
    """What a heading shows, without marks."""
    return "".join(each.content for each in token.children or () if each.type in {"text", "code_inline"})


@cache
def anchors_of(path: Path) -> frozenset[str]:
    """The places of a page that links can name; a heading that comes again has a number."""
    tokens = _MARKDOWN.parse(path.read_text())
    found: list[str] = []
    for before, token in pairwise(tokens):
        if before.type == "heading_open":
            name = slug(text_of(token))
            again = found.count(name)
            found += [name, *([f"{name}-{again}"] if again else [])]
    return frozenset([*found, *Reader(path.read_text()).values("id", "name")])


def links_of(page: str) -> list[str]:
    """All that a page links to or shows, in Markdown and in HTML."""
    return Reader(str(_MARKDOWN.render(page))).values("href", "src", "srcset")


def find_dead(path: Path) -> list[str]:
    """The links of a page that lead nowhere in this repository; addresses elsewhere are not asked."""
    dead = []
    for link in links_of(path.read_text()):
        if _ELSEWHERE.match(link):
            continue
        file, _, anchor = unquote(link).partition("#")
        target = (path.parent / file).resolve() if file else path
        inside = target.is_relative_to(path.parent) or target.is_relative_to(ROOT)
        if not inside or not target.exists() or (anchor and not _has(target, anchor)):
            dead.append(link)
    return dead


def _has(target: Path, anchor: str) -> bool:
    return target.suffix == ".md" and anchor in anchors_of(target)


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_of_a_page_leads_somewhere(path: Path) -> None:
    assert find_dead(path) == []


def test_dead_links_are_found(tmp_path: Path) -> None:
    (tmp_path / "b.md").write_text("# Was `b`: one & two\n\n## Same\n\n## Same\n\n<a id='here'></a>\n")
    page = tmp_path / "a.md"
    good = ["b.md", "b.md#was-b-one--two", "b.md#same-1", "b.md#here", "#a", "https://example.org/x", "mailto:a@b.c"]
    bad = ["c.md", "b.md#two", "b.md#same-2", "#b", "../../../../../etc/hostname"]
    lines = [f"[x]({link})" for link in [*good, *bad]]
    page.write_text("# A\n\n" + "\n".join(lines) + "\n\n`[x](code.md)`\n\n<picture><source srcset='d.svg'></picture>\n")
    assert find_dead(page) == [*bad, "d.svg"]


@pytest.mark.parametrize("name", ["README.md", "docs/choosing.md"])
def test_ratios_on_a_page_are_those_of_the_published_run_that_it_links_to(name: str) -> None:
    page = (ROOT / name).read_text()
    shown = re.search(r"results/([\w-]+)/charts/", page)
    assert shown
    report = (ROOT / "docs" / "results" / shown[1] / "report.md").read_text().replace("×", "")
    ratios = _RATIO.findall(page)
    assert ratios
    assert shown[1] in page.replace(shown[0], "")
    assert [each for each in ratios if each not in report] == []


def test_examples_of_additions_are_python() -> None:
    blocks = [each for each in _MARKDOWN.parse((ROOT / "docs" / "adding.md").read_text()) if each.info == "python"]
    assert len(blocks) == 3
    for each in blocks:
        ast.parse(each.content)

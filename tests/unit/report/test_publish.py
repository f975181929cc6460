from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote

import pytest

from harness import report
from harness.analysis.results import Results
from harness.catalog import listing
from harness.model.errors import UsageError
from harness.model.loads import Rate
from harness.model.run_info import RunInfo
from harness.report import snippet
from harness.report.cells import Cell
from harness.report.markdown import MOST_COLUMNS, split_table
from harness.report.publish import FILES, Place, check_name, find_place, publish
from harness.report.sections import Row, Table, make_sections
from tests.pages import Reader, render_markdown
from tests.reported import COMPARISONS, RUN, WS_ECHO
from tests.synthetic import under

CHARTS = listing.charts()[:1]
"""One is enough to see what becomes of charts."""


class Published(NamedTuple):
    folder: Path
    index: Path
    replaced: str | None
    runs: int


def published_at(place: Place, run: RunInfo, charts: Sequence[report.Chart] = ()) -> Published:
    runs = publish(place, Results(run, COMPARISONS), charts)
    return Published(place.folder, place.index, place.replaced, runs)


def publish_run(to: Path, name: str | None = "2026-11", run: RunInfo = RUN) -> Published:
    """Without charts, which take a second to draw."""
    return published_at(find_place(to, name, run), run)


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Published:
    repository = tmp_path_factory.mktemp("repository")
    (repository / ".git").mkdir()
    place = find_place(repository / "docs" / "bench", "2026-11", RUN)
    return published_at(place, RUN, report.draw(CHARTS, RUN, COMPARISONS))


def read(path: Path) -> Reader:
    text = path.read_text()
    return Reader(text if path.suffix == ".html" else render_markdown(text))


def test_a_published_run_has_all_that_others_show_or_read(published: Published) -> None:
    names = {path.relative_to(published.folder).as_posix() for path in published.folder.rglob("*") if path.is_file()}
    (chart,) = report.draw(CHARTS, RUN, COMPARISONS)
    assert names == {*FILES, *(f"charts/{chart.name}{end}" for end in (".svg", "-dark.svg"))}
    assert (published.folder.name, published.runs, published.replaced) == ("2026-11", 1, None)
    assert json.loads((published.folder / "summary.json").read_text())["run"]["id"] == RUN.id


def test_every_link_of_every_page_resolves(published: Published) -> None:
    pages = [published.index, *published.folder.glob("*.md"), *published.folder.glob("*.html")]
    assert len(pages) == 4
    for page in pages:
        found = [link for link in read(page).values("href", "src", "srcset") if not re.match(r"[a-z]+:", link)]
        assert page.name == "snippet.md" or found
        for link in found:
            path, _, place = unquote(link).partition("#")
            if path:
                assert (page.parent / path).exists(), (page.name, link)
            else:
                assert place in read(page).values("id")


def test_every_path_of_a_piece_leads_to_a_file_from_where_it_says(published: Published) -> None:
    pieces = re.findall(
        r"^````(\w+)\n(.*?)\n````$", (published.folder / "snippet.md").read_text(), re.MULTILINE | re.DOTALL
    )
    assert [language for language, _ in pieces] == ["html", "markdown", "rst", "markdown", "markdown"]
    (_, host), (_, mkdocs), (_, sphinx), (_, myst), (_, badge) = pieces
    root = published.folder.parents[2]
    tags = Reader(host).tags
    assert [tag for tag, _ in tags] == ["a", "picture", "source", "img"]
    assert all((root / path).is_file() for path in Reader(host).values("href", "srcset", "src"))
    shown = Reader(render_markdown(mkdocs))
    assert [each.partition("#")[2] for each in shown.values("src")] == ["only-light", "only-dark"]
    beside = [
        each.partition("#")[0]
        for each in (*shown.values("src", "href"), *Reader(render_markdown(badge)).values("href"))
    ]
    beside += re.findall(r"(?:image::|\{image\}) (\S+)", sphinx + myst)
    assert len(beside) == 2 + 2 + 1 + 4
    assert all((published.folder.parent / path).is_file() for path in beside)
    for piece in (sphinx, myst):
        assert re.findall(r":class: (\S+)", piece) == ["only-light", "only-dark"]


def test_a_chart_for_dark_pages_is_shown_there_once_there_is_one() -> None:
    alone = snippet.Picture.of("p99", ["charts/p99.svg"], "x")
    assert (alone.light, alone.dark) == ("charts/p99.svg", "charts/p99.svg")
    both = snippet.Picture.of("p99", ["charts/p99.svg", "charts/p99-dark.svg"], "x")
    page = snippet.render("one", "", [both])
    assert 'srcset="one/charts/p99-dark.svg"' in page
    assert "one/charts/p99-dark.svg#only-dark" in page
    assert "one/charts/p99.svg#only-light" in page


def test_an_odd_result_stays_text_in_every_piece() -> None:
    odd = '"><script>x</script> [a](b) `c` ```` \n:class: d'
    page = snippet.render("one", "", [snippet.Picture.of("p99", [], odd)])
    assert "\n:class: d" not in page
    html = re.findall(r"^````html\n(.*?)\n````$", page, re.MULTILINE | re.DOTALL)[0]
    assert "script" not in {tag for tag, _ in Reader(html).tags}


def test_no_table_of_a_published_report_is_wider_than_a_code_host_shows(published: Published) -> None:
    pages = (published.folder / "report.md").read_text() + published.index.read_text()
    rules = re.findall(r"^\|[ :|-]+\|$", pages, re.MULTILINE)
    assert rules
    assert max(rule.count("|") - 1 for rule in rules) <= MOST_COLUMNS


@pytest.mark.parametrize("load", [RUN.conditions.load, Rate(500.0)], ids=str)
def test_a_wide_table_is_continued_and_loses_nothing(load: Rate) -> None:
    (section,) = make_sections(under(RUN, load=load, precision=0.05), [WS_ECHO])
    tables = split_table(section.table)
    assert {name for each in tables for name in each.columns} == set(section.table.columns)
    assert {"Rank", "Server", "Requests/s", "÷ uvicorn", "p99 ms", "CPU µs/request", "Verdict"} == set(
        tables[0].columns
    )
    for each in tables:
        assert len(each.columns) <= MOST_COLUMNS
        assert "Server" in each.columns
        for row, whole in zip(each.rows, section.table.rows, strict=True):
            assert [row.cells[each.columns.index(name)] for name in each.columns] == [
                whole.cells[section.table.columns.index(name)] for name in each.columns
            ]


def test_a_table_of_any_width_is_split() -> None:
    for width in range(1, 30):
        names = ("Server", *(f"c{number}" for number in range(width - 1)))
        table = Table(names, (Row("a", "valid", tuple(Cell(name) for name in names)),))
        tables = split_table(table)
        assert all(len(each.columns) <= MOST_COLUMNS for each in tables)
        assert [name for each in tables for name in each.columns if name != "Server"] == list(names[1:])


def test_publishing_again_replaces_the_run_and_keeps_what_others_put_there(tmp_path: Path) -> None:
    first = publish_run(tmp_path)
    (first.folder / "charts").mkdir(exist_ok=True)
    (first.folder / "charts" / "gone.svg").write_text("a chart of the former run")
    (first.folder / "drills").mkdir()
    (first.folder / "drills" / "drill.md").write_text("beside it")
    other = replace(RUN, id="another")
    second = publish_run(tmp_path, run=other)
    assert (second.replaced, second.runs) == (RUN.id, 1)
    assert json.loads((second.folder / "summary.json").read_text())["run"]["id"] == "another"
    assert not (second.folder / "charts" / "gone.svg").exists()
    assert (second.folder / "drills" / "drill.md").read_text() == "beside it"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["2026-11", "README.md"]


def test_without_a_name_a_run_has_that_of_its_day_unless_another_has_it(tmp_path: Path) -> None:
    assert publish_run(tmp_path, None).folder.name == "2026-11-20"
    assert publish_run(tmp_path, None).replaced == RUN.id
    with pytest.raises(UsageError, match=r"--name: expected a name, since .*/2026-11-20 holds another run, 20261120"):
        publish_run(tmp_path, None, replace(RUN, id="another"))


@pytest.mark.parametrize(
    "name", ["", ".", "..", "a/b", "/a", "a.b", ".a", "-a", "_a", "a b", "a\n", "é", "a" * 101, "a\\b"]
)
def test_a_name_that_is_no_folder_of_its_own_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"--name: expected letters"):
        publish_run(tmp_path / "docs", name)
    assert not (tmp_path / "docs").exists()


@pytest.mark.parametrize("name", ["2026-11", "a", "A_1", "0" * 100])
def test_other_names_are_not(name: str) -> None:
    assert check_name(name) == name


def test_the_folder_of_something_else_is_not_touched(tmp_path: Path) -> None:
    (tmp_path / "guide").mkdir()
    (tmp_path / "guide" / "index.md").write_text("a guide")
    with pytest.raises(UsageError, match=r"expected a published run in .*guide, found other files"):
        publish_run(tmp_path, "guide")
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "trials.jsonl").write_text("")
    with pytest.raises(UsageError, match=r"expected a folder for published runs, found the records of a run in .*/run"):
        publish_run(tmp_path, "run")
    (tmp_path / "file").write_text("a file")
    with pytest.raises(UsageError, match=r"--to: expected a folder, found that .*/file is something else"):
        publish_run(tmp_path / "file")
    (tmp_path / "link").symlink_to("guide")
    for name in ("file", "link"):
        with pytest.raises(UsageError, match=r"to be a folder or nothing, found something else"):
            publish_run(tmp_path, name)
    assert (tmp_path / "guide" / "index.md").read_text() == "a guide"


def test_the_index_lists_every_run_the_newest_first(tmp_path: Path) -> None:
    for name, day in (("old", "2026-01-05"), ("new", "2026-11-20"), ("mid", "2026-05-01")):
        publish_run(tmp_path, name, replace(RUN, id=name, started_at=f"{day}T10:00:00+00:00"))
    (tmp_path / "notes").mkdir()
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "summary.json").write_text('{"run": 1}')
    published = publish_run(tmp_path, "new", replace(RUN, id="new", started_at="2026-11-20T10:00:00+00:00"))
    assert published.runs == 3
    index = published.index.read_text()
    assert re.findall(r"\[(\w+)\]\(\w+/report\.md\)", index) == ["new", "mid", "old"]
    assert "2026-05-01" in index
    assert "uvicorn" in index


def test_the_text_around_the_list_stays(tmp_path: Path) -> None:
    publish_run(tmp_path)
    index = tmp_path / "README.md"
    index.write_text(f"# Our numbers\n\nMade by hand.\n{index.read_text()}\nThe end.\n")
    publish_run(tmp_path, "second")
    text = index.read_text()
    assert text.startswith("# Our numbers\n\nMade by hand.\n")
    assert text.endswith("\nThe end.\n")
    assert text.count("second/report.md") == 1
    assert text.count("2026-11/report.md") == 1


def test_an_index_of_others_is_not_touched(tmp_path: Path) -> None:
    (tmp_path / "index.md").write_text("# Home\n")
    with pytest.raises(UsageError, match=r"index.md: expected the lines <!-- published runs -->"):
        publish_run(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["index.md"]
    (tmp_path / "index.md").write_text("# Home\n<!-- published runs -->\n<!-- end of published runs -->\n")
    assert publish_run(tmp_path).index.name == "index.md"
    assert not (tmp_path / "README.md").exists()

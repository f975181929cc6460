"""The page about the rooms says what the import test enforces."""

from __future__ import annotations

import re
from pathlib import Path

from tests.unit.test_imports import PACKAGE, ROOMS

PAGE = Path(__file__).parents[2] / "docs" / "architecture.md"


def test_the_table_of_rooms_is_that_of_the_import_test() -> None:
    rows = re.findall(r"^\| `([\w/]+)/` \|.*\| (`.*`|nothing) \|$", PAGE.read_text(), re.MULTILINE)
    assert {name: frozenset(re.findall(r"`(\w+)`", cell)) for name, cell in rows} == {
        name: room.rooms for name, room in ROOMS.items()
    }


def test_each_arrow_of_the_picture_is_in_the_table() -> None:
    picture = PAGE.read_text().split("```")[1]
    arrows = re.findall(r"^ {4}([\w &]+) --> ([\w &]+)$", picture, re.MULTILINE)
    assert arrows
    for importers, imported in arrows:
        for importer in importers.split(" & "):
            assert set(imported.split(" & ")) <= ROOMS[importer].rooms


def test_each_file_that_the_page_names_exists() -> None:
    names = re.findall(r"`(?:harness/)?(\w+/[\w/]+\.py)`", PAGE.read_text())
    assert names
    assert [name for name in names if not (PACKAGE / name).exists() and not (PACKAGE.parent / name).exists()] == []


def test_each_name_that_the_page_gives_a_file_for_is_defined_there() -> None:
    names = re.findall(r"`(\w+/\w+\.py)`: `(\w+)`", PAGE.read_text())
    assert names
    for file, name in names:
        assert re.search(rf"^ *(def|class) {name}\b", (PACKAGE / file).read_text(), re.MULTILINE), (file, name)

"""Which releases of a server are measured, as pip finds them in a folder."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from harness.catalog.releases import find_releases
from harness.model.errors import UsageError
from harness.plan.servers import make_versions
from harness.plan.settings import Settings
from tests.integration.test_environments import TOY, wheel

pytestmark = pytest.mark.long


@pytest.fixture(autouse=True)
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only page that pip finds packages on: releases, a pre-release, a yanked one, one that lacks a package."""
    for version in ("1.9", "1.10", "2.0rc1", "2.1", "3.0b2"):
        wheel(tmp_path, "toyserver", version)
    wheel(tmp_path, "toyserver", "2.2", "lost-package")
    wheel(tmp_path, "toyserver", "2.3")
    wheel(tmp_path, "toy_parser", "7")
    page = tmp_path / "links.html"
    marks = {"2.3": 'data-yanked="broken"', "1.10": 'data-requires-python="&gt;=99"'}
    page.write_text(
        "".join(
            f'<a href="{path.as_uri()}" {marks.get(path.name.split("-")[1], "")}>{path.name}</a>\n'
            for path in sorted(tmp_path.glob("*.whl"))
        )
    )
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(page))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return page


def test_the_last_releases_are_found_and_what_is_none_is_told() -> None:
    found = find_releases(TOY, 3)
    assert found.found == ("1.9", "2.1", "2.2")
    assert found.left_out == (
        "toy 1.10: needs another Python (Requires-Python >=99)",
        "toy 2.0rc1: a pre-release",
        "toy 2.3: yanked",
        "toy 3.0b2: a pre-release",
    )
    assert find_releases(TOY, 1).found == ("2.2",)
    assert find_releases(replace(TOY, requires=("toyserver>=2",)), 3).found == ("2.1", "2.2")
    assert [each.partition(":")[0] for each in find_releases(TOY, 1).left_out] == ["toy 2.3", "toy 3.0b2"]


def test_a_server_that_no_index_has_is_an_error_in_one_line(index: Path) -> None:
    index.write_text("")
    with pytest.raises(UsageError, match=r"^toyserver: expected pip to list its versions, found: ERROR: .*toyserver"):
        find_releases(TOY, 3)


def test_a_release_that_cannot_be_installed_is_told_and_the_others_are_there() -> None:
    said: list[str] = []
    made = make_versions(Settings(), TOY, ("2.1", "2.2"), said.append)
    assert [each.name for each in made] == ["toy@2.1"]
    (line,) = [each for each in said if each.startswith("! left out: ")]
    assert "2.2" in line
    assert "lost-package" in line

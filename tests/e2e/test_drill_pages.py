"""`harness drill` on a user's app: drills of starts, orphans and overload, and the pages that tell of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.command import harness
from tests.pages import Reader

APP = ("--app", "hello:app", "--app-dir", str(Path(__file__).parents[1] / "apps"), "--repeats", "1", "--rate", "50")


def results_of(folder: Path) -> dict[tuple[str, str], dict[str, Any]]:
    results = json.loads((folder / "drill.json").read_text())["results"]
    return {(each["server"], each["drill"]): each for each in results}


def test_a_users_app_is_started_again_and_again_and_the_pages_tell_how_long_it_takes(tmp_path: Path) -> None:
    done = harness("drill", *APP, "--servers", "daphne", "--drills", "cold-start", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    (folder,) = (tmp_path / "results").iterdir()
    names = {"drill.json", "drill.md", "drill.html", "drill.svg", "drill-dark.svg", "drill.png", "logs"}
    assert {path.name for path in folder.iterdir()} == names
    found = results_of(folder)["daphne", "cold-start"]
    (numbers,) = (each["numbers"] for each in found["observations"])
    assert 0 < numbers["ready_s"] <= numbers["slowest_s"]
    assert numbers["imports_s"] > 0
    reader = Reader((folder / "drill.html").read_text())
    assert "script" not in [tag for tag, _ in reader.tags]
    assert all(value.startswith("#") for value in reader.values("src", "href"))
    for said in (done.stdout, reader.text, (folder / "drill.md").read_text(), (folder / "drill.svg").read_text()):
        assert found["words"]["cell"] in said


@pytest.mark.long
def test_orphans_and_an_overload_are_told(tmp_path: Path) -> None:
    done = harness("drill", *APP, "--servers", "uvicorn,daphne", "--drills", "orphans,overload", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    (folder,) = (tmp_path / "results").iterdir()
    results = results_of(folder)
    orphans = results["uvicorn", "orphans"]["words"]
    assert (orphans["grade"], orphans["cell"]) == ("fair", "go on serving")
    assert orphans["meaning"] in " ".join(done.stdout.split())
    assert orphans["meaning"] in Reader((folder / "drill.html").read_text()).text
    assert results["daphne", "orphans"]["words"]["grade"] == "good"
    overload = results["uvicorn", "overload"]
    # A fast machine cannot overload this app.
    assert overload["outcome"] == "seen" or "needs a slower --busy-path" in overload["reason"]

"""`harness drill` on a user's app: drills of many clients and of starts, and the pages that tell of them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.command import harness
from tests.pages import Reader

APP = str(Path(__file__).parents[1] / "apps")


@pytest.mark.long
def test_a_users_app_is_started_orphaned_and_overloaded_and_the_pages_agree(tmp_path: Path) -> None:
    done = harness(
        *("drill", "--app", "hello:app", "--app-dir", APP, "--servers", "uvicorn,daphne"),
        *("--drills", "orphans,overload,cold-start", "--repeats", "1", "--rate", "50"),
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    (folder,) = (tmp_path / "results").iterdir()
    assert {path.name for path in folder.iterdir()} == {
        *("drill.json", "drill.md", "drill.html", "drill.svg", "drill.png", "logs"),
    }
    results = json.loads((folder / "drill.json").read_text())["results"]
    outcomes = {(each["server"], each["drill"]): each for each in results}
    assert "go on serving" in outcomes["uvicorn", "orphans"]["words"]["cell"]
    assert outcomes["daphne", "orphans"]["words"]["cell"] == "none"
    assert all(outcomes[server, "cold-start"]["outcome"] == "seen" for server in ("uvicorn", "daphne"))
    too_fast = outcomes["uvicorn", "overload"]
    assert (too_fast["outcome"], "--busy-path" in too_fast["reason"]) == ("n/a", True)
    page = (folder / "drill.html").read_text()
    reader = Reader(page)
    assert "script" not in [tag for tag, _ in reader.tags]
    assert all(value.startswith("#") for value in reader.values("src", "href"))
    terminal = " ".join(done.stdout.split())
    for each in results:
        if each["words"] and each["words"]["grade"] != "good":
            assert each["words"]["meaning"] in reader.text
            assert each["words"]["meaning"] in terminal

from __future__ import annotations

import json
from pathlib import Path

from harness.report import html, markdown
from harness.report.behaviour import read_behaviour
from harness.report.page import make_page
from tests.pages import Reader
from tests.reported import COMPARISONS, RUN

DRILLS = Path(__file__).parents[3] / "docs" / "results" / "2026-11-30" / "drills"
CHECKS = {
    "checks": [{"name": "a", "title": "refuses a lone LF"}, {"name": "b", "title": "sends Date", "force": "should"}],
    "results": [
        {"server": server, "protocol": "h1", "check": check, "outcome": outcome}
        for server, check, outcome in (
            ("uvicorn", "a", "fail"),
            ("uvicorn", "b", "fail"),
            ("daphne", "a", "pass"),
            ("another", "a", "fail"),
        )
    ],
}


def test_dangers_of_drills_come_first_then_failed_required_checks_of_the_servers_of_the_run(tmp_path: Path) -> None:
    (tmp_path / "20261130-check").mkdir()
    (tmp_path / "20261130-check" / "check.json").write_text(json.dumps(CHECKS))
    (tmp_path / "drill.json").write_bytes((DRILLS / "drill.json").read_bytes())
    found = read_behaviour(tmp_path, {"uvicorn", "daphne"})
    severities = [each.severity for each in found]
    assert severities == sorted(severities, key=("danger", "fault", "note").index)
    assert set(severities) == {"danger", "fault", "note"}
    assert {each.server for each in found} <= {"uvicorn", "daphne"}
    (fault,) = [each for each in found if each.severity == "fault"]
    assert (fault.what, fault.meaning) == ("HTTP/1.1: 1 required check failed", "refuses a lone LF.")
    page = make_page(RUN, COMPARISONS, [], behaviour=found)
    said = Reader(html.render(page, {})).text
    assert all(each.meaning in said for each in found)
    assert "## Behaviour" in markdown.render(page)


def test_a_check_that_endangers_a_deployment_is_a_danger_whatever_its_level(tmp_path: Path) -> None:
    checks = [
        {"name": name, "title": f"check {name}", "force": "should", "danger": "hangs", "consequence": "Clients wait."}
        for name in ("a", "b")
    ]
    (tmp_path / "check.json").write_text(json.dumps({**CHECKS, "checks": checks}))
    (danger,) = read_behaviour(tmp_path, {"uvicorn", "daphne"})
    assert (danger.severity, danger.what, danger.meaning) == ("danger", "check a and check b", "Clients wait.")


def test_a_run_without_them_and_files_of_others_have_no_behaviour(tmp_path: Path) -> None:
    assert read_behaviour(tmp_path, {"uvicorn"}) == []
    (tmp_path / "check.json").write_text("{}")
    (tmp_path / "drill.json").write_bytes(b"\xff")
    assert read_behaviour(tmp_path, {"uvicorn"}) == []
    assert (
        "Behaviour" not in html.render(make_page(RUN, COMPARISONS, []), {}).partition("<nav")[2].partition("</nav>")[0]
    )

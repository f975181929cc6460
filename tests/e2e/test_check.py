"""`harness check` as people and scripts meet it."""

from __future__ import annotations

import json
from pathlib import Path

from tests.command import harness


def test_servers_are_tried_in_clear_and_over_tls_and_the_results_are_kept(tmp_path: Path) -> None:
    names = "keep-alive,chunked-request,app-raises-midway,disconnect"
    done = harness(
        "check", "--servers", "uvicorn-h11,hypercorn", "--protocols", "h1,h1-tls", "--checks", names, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    assert "uvicorn-h11" in done.stdout
    (folder,) = (tmp_path / "results").iterdir()
    assert folder.name.endswith("-check")
    assert {path.name for path in folder.iterdir()} == {"check.json", "check.md", "check.html"}
    results = json.loads((folder / "check.json").read_text())["results"]
    assert len(results) == 2 * 2 * 4
    assert [result for result in results if result["outcome"] != "pass"] == []


def test_a_gate_fails_the_command_when_its_check_fails(tmp_path: Path) -> None:
    """Gunicorn's sync worker closes each connection after its answer, so it cannot pass `keep-alive`."""
    arguments = ("--servers", "gunicorn-sync", "--protocols", "h1", "--checks", "keep-alive,date", "--format", "json")
    for gate, status in (("keep-alive", 1), ("date", 0)):
        done = harness("check", *arguments, "--fail-on", gate, cwd=tmp_path)
        outcomes = {result["check"]: result["outcome"] for result in json.loads(done.stdout)["results"]}
        assert outcomes == {"keep-alive": "fail", "date": "pass"}
        assert done.returncode == status

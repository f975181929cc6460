"""`harness check` as people and scripts meet it."""

from __future__ import annotations

import json
import os
from pathlib import Path
from xml.etree import ElementTree as ET

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
        done = harness("check", *arguments, "--fail-on", gate, "--junit", "checks.xml", cwd=tmp_path)
        outcomes = {result["check"]: result["outcome"] for result in json.loads(done.stdout)["results"]}
        assert outcomes == {"keep-alive": "fail", "date": "pass"}
        assert done.returncode == status
        suite = ET.parse(tmp_path / "checks.xml").getroot()[0]
        assert (suite.get("name"), suite.get("tests"), suite.get("failures")) == ("gunicorn-sync", "2", "1")


H2SPEC = """#!/bin/sh
while [ "$1" != --junit-report ]; do shift; done
cat > "$2" <<END
<testsuites><testsuite package="http2/6.7">
<testcase classname="Sends a PING frame"><error>PING Frame (ACK)
Timeout</error></testcase>
<testcase classname="Sends a PING frame with ACK"></testcase>
</testsuite></testsuites>
END
"""


def test_a_suite_that_is_installed_runs_too_and_disagreements_are_told_with_both_texts(tmp_path: Path) -> None:
    (tmp_path / "h2spec").write_text(H2SPEC)
    (tmp_path / "h2spec").chmod(0o755)
    only = ("--servers", "hypercorn", "--protocols", "h2", "--checks", "h2-ping")
    environment = {**os.environ, "PATH": os.pathsep.join([str(tmp_path), os.environ["PATH"]])}
    done = harness("check", *only, "--against", "h2spec", cwd=tmp_path, environment=environment)
    assert done.returncode == 0, done.stderr
    assert "h2spec · hypercorn · h2: 1 of 2 cases passed; 1 disagreement with our checks" in done.stdout
    assert "failed http2/6.7/1: Sends a PING frame: expected PING Frame (ACK), found Timeout" in done.stdout
    assert "ours: h2-ping: pass" in done.stdout
    (folder,) = (tmp_path / "results").iterdir()
    (run,) = json.loads((folder / "check.json").read_text())["suites"]
    assert [case["id"] for case in run["failures"]] == ["http2/6.7/1"]
    assert run["disagreements"][0]["checks"] == ["h2-ping"]
    assert "1 disagreement with our checks" in (folder / "check.md").read_text()

"""Which options `harness check` refuses, and its exit status."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from harness.catalog import listing
from harness.check.model import Entry, Outcome
from harness.check.runner import Runner
from harness.check.target import Launcher, command_lines
from harness.cli import app
from harness.cli.check import exit_status
from harness.model.errors import UsageError
from tests.unit.check.test_report import RUN


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--servers", "nobody"), "--servers: expected any of"),
        (("--servers", ""), "--servers: expected one name or more"),
        (("--protocols", "h9"), "--protocols: expected any of h1"),
        (("--protocols", ""), "--protocols: expected any of h1"),
        (("--checks", "cherokee"), "--checks: expected any of"),
        (("--fail-on", "cherokee"), "--fail-on: expected any of"),
        (("--checks", "keep-alive", "--fail-on", "date"), "--fail-on: expected any of keep-alive"),
        (("--format", "xml"), "--format: expected text or json"),
        (("--protocols", "h3"), "--protocols: expected any of h1, .* found h3"),
        (("--protocols", "h1,ws", "--checks", "keep-alive"), "--protocols: expected any of h1, h1-tls, .* found ws"),
        (("--out", "/dev/null"), "--out: expected a folder that can be written to, found /dev/null"),
    ],
)
def test_an_invalid_option_is_named(arguments: tuple[str, ...], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        app(["check", *arguments], standalone_mode=False)


@pytest.mark.parametrize(
    ("outcomes", "gates", "status"),
    [
        (["pass", "fail"], set(), 0),
        (["pass", "fail"], {"two"}, 1),
        (["fail", "pass"], {"two"}, 0),
        (["n/a", "n/a"], {"two"}, 3),
        (["n/a", "pass"], {"one"}, 0),
        (["error", "no-start"], set(), 4),
        (["no-start", "no-start"], set(), 5),
        (["no-start", "fail"], {"two"}, 5),
    ],
)
def test_the_exit_status_separates_failed_checks_from_errors(
    outcomes: list[Outcome], gates: set[str], status: int
) -> None:
    results = [Entry("a", "h1", name, outcome, "") for name, outcome in zip(("one", "two"), outcomes, strict=True)]
    assert exit_status(replace(RUN, results=tuple(results)), gates) == status


def test_what_was_found_before_an_interruption_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(self: Runner, _: Launcher) -> None:
        self.record([Entry(self.servers[0].name, "h1", "date", "pass", "there")])
        raise KeyboardInterrupt

    monkeypatch.setattr(Runner, "run", interrupted)
    arguments = ["check", "--servers", "uvicorn", "--protocols", "h1", "--checks", "date,head", "--out", str(tmp_path)]
    assert app(arguments, standalone_mode=False) == 130
    (path,) = tmp_path.glob("*/check.json")
    found = json.loads(path.read_text())
    assert (found["whole"], len(found["results"])) == (False, 1)
    assert "Interrupted after 1 results" in capsys.readouterr().out


def test_the_commands_start_a_server_without_and_with_tls() -> None:
    (server,) = [server for server in listing.servers() if server.name == "uvicorn"]
    clear, secured = command_lines(server, ["h1", "h1-tls"], "python")
    assert "harness_probe.app:app" in clear
    assert "key.pem" in secured
    assert command_lines(server, ["h1"], "python") == [clear]

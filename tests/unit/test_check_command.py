"""What `harness check` refuses, and what its exit status says."""

from __future__ import annotations

from dataclasses import replace

import pytest

from harness.check.model import Entry, Outcome
from harness.cli import app
from harness.cli.check import exit_status
from harness.model import UsageError
from tests.unit.test_check_report import FOUND


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--servers", "nobody"), "--servers: expected any of"),
        (("--servers", ""), "--servers: expected any of"),
        (("--protocols", "h9"), "--protocols: expected any of h1"),
        (("--protocols", ""), "--protocols: expected any of h1"),
        (("--checks", "nothing"), "--checks: expected any of"),
        (("--fail-on", "nothing"), "--fail-on: expected any of"),
        (("--checks", "keep-alive", "--fail-on", "date"), "--fail-on: expected any of keep-alive"),
        (("--format", "xml"), "--format: expected text or json"),
    ],
)
def test_what_cannot_be_followed_is_named(arguments: tuple[str, ...], said: str) -> None:
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
        (["error", "pass"], set(), 4),
    ],
)
def test_the_exit_status_tells_findings_from_faults(outcomes: list[Outcome], gates: set[str], status: int) -> None:
    results = [Entry("a", "h1", name, outcome, "") for name, outcome in zip(("one", "two"), outcomes, strict=True)]
    assert exit_status(replace(FOUND, results=tuple(results)), gates) == status

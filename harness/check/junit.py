"""The results of checks in JUnit's XML: a suite for each server, a test for each check over each protocol. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.check.report import LEVELS
from harness.text import junit

if TYPE_CHECKING:
    from harness.check.model import Entry, Outcome
    from harness.check.report import CheckInfo, CheckRun

OUTCOMES: dict[Outcome, junit.Outcome] = {
    "pass": "passed",
    "fail": "failure",
    "n/a": "skipped",
    "no-start": "error",
    "error": "error",
}


def render(run: CheckRun) -> str:
    """All results; a failure's kind is the requirement level, and its details are the evidence."""
    check = {each.name: each for each in run.checks}
    return junit.write(
        junit.Suite(
            server,
            run.started_at,
            tuple(_make_test(check[each.check], each) for each in run.results if each.server == server),
            {"version": run.setting.servers.get(server, ""), "python": run.setting.python},
        )
        for server in dict.fromkeys(each.server for each in run.results)
    )


def _make_test(check: CheckInfo, entry: Entry) -> junit.Test:
    kind = entry.brought_down or LEVELS[check.level] if entry.outcome == "fail" else entry.outcome
    details = "\n".join(filter(None, (check.expectation, check.consequence, f"{check.source}: {check.quote}")))
    return junit.Test(
        f"{check.name} {entry.protocol}",
        OUTCOMES[entry.outcome],
        kind,
        entry.summary,
        f"{details}\n{entry.evidence}",
    )

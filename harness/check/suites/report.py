"""What suites found beside our checks, in Markdown, and each disagreement in a few lines of text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.text import markdown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.check.suites.model import Disagreement, SuiteRun

_CASES_NAMED = 6


def summarise(run: SuiteRun) -> str:
    """How many cases passed, and how many disagreements there are: one line."""
    if run.problem:
        return run.problem
    count = len(run.disagreements)
    agree = f"{count} disagreement{'s' if count > 1 else ''} with our checks" if count else "our checks agree"
    return f"{run.passed} of {run.cases} cases passed; {agree}"


def describe(found: Disagreement) -> tuple[str, str]:
    """Both sides of a disagreement, each in one line."""
    named = ", ".join(found.cases[:_CASES_NAMED]) + (" …" if len(found.cases) > _CASES_NAMED else "")
    suite = f"{'failed' if found.by == 'suite' else 'passed'} {named}"
    suite = f"{suite}: {found.suite_says}" if found.by == "suite" else suite
    return suite, f"ours: {found.check_says}" if found.by == "suite" else f"ours: {found.checks[0]}: {found.check_says}"


def describe_suites(runs: Sequence[SuiteRun]) -> list[str]:
    """The section of `check.md`; empty if no suite was run."""
    if not runs:
        return []
    rows = [[run.suite, run.server, run.protocol, summarise(run)] for run in runs]
    blocks = [
        "## Beside other suites",
        markdown.table(["Suite", "Server", "Protocol", ""], [_escape(row) for row in rows]),
    ]
    for run in runs:
        if run.failures or run.disagreements:
            blocks.append(f"### {markdown.escape(run.suite)} on {markdown.escape(run.server)}")
        blocks.append(markdown.bullets(" · ".join(_escape(describe(each))) for each in run.disagreements))
        failed = ", ".join(case.id for case in run.failures)
        blocks.append(markdown.escape(f"Failed: {failed}") if failed else "")
    return blocks


def _escape(texts: Sequence[str]) -> list[str]:
    return [markdown.escape(text) for text in texts]

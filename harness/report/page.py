"""All that a report shows, decided once; Markdown and HTML only dress it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from harness.report import rows, words

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.figure import Figure

    from harness.findings import CaseSummary, RunInfo
    from harness.model import Verdict

FILES = {
    "summary.json": "the numbers of this report, for programs",
    "latency.hlog": "response times of each case as an HdrHistogram log, for its tools",
    "trials.jsonl": "one record for each trial: histograms, samples, verdict, command line",
    "lives.jsonl": "one record for each start of a server",
    "run.json": "options, environment, all installed packages",
    "logs/": "what the servers and the load generator wrote",
    "charts/": "every chart as SVG and PNG",
}


class Chart(NamedTuple):
    """A drawn chart: the name of its files, its heading, what to see in it, and the figure."""

    name: str
    title: str
    caption: str
    figure: Figure


@dataclass(frozen=True)
class Page:
    """The parts of a report, in the order in which they are read."""

    title: str
    lead: str
    headline: Sequence[str]
    answers: Sequence[tuple[str, rows.Group]]
    """A sentence and the table under it, for each question."""
    charts: Sequence[Chart]
    unanswered: Sequence[words.Unanswered]
    meanings: Mapping[Verdict, str]
    """Of the verdicts that occur among the unanswered."""
    method: Sequence[str]
    environment: Sequence[tuple[str, str]]
    packages: Mapping[str, str]
    files: Mapping[str, str]


def page(run: RunInfo, summaries: Sequence[CaseSummary], charts: Sequence[Chart]) -> Page:
    """Arrange a run's answer."""
    groups = rows.groups(run, summaries)
    unanswered = words.unanswered(groups)
    occurring = {each.verdict for each in unanswered}
    servers = list(dict.fromkeys(summary.case.server for summary in summaries))
    return Page(
        title=f"ASGI servers compared: {', '.join(servers)}",
        lead=f"{run.started_at[:10]} · {run.environment.cpu_model} × {run.environment.cpu_count} · {run.conditions}",
        headline=words.headline(run, groups),
        answers=[(words.answer(group), group) for group in groups],
        charts=charts,
        unanswered=unanswered,
        meanings={verdict: meaning for verdict, meaning in words.MEANING.items() if verdict in occurring},
        method=words.method(run),
        environment=words.environment(run),
        packages=run.environment.packages,
        files=FILES,
    )

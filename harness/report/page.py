"""All that a report shows, decided once; Markdown and HTML only dress it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from harness.report import interruption, method, rows, trust, words
from harness.report.columns import candidates_column

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.figure import Figure

    from harness.model.results import Record, RunInfo, ServerStart, Verdict
    from harness.model.summaries import CaseSummary, ComparisonSummary

FILES = {
    "summary.json": "the numbers of this report, for programs",
    "latency.hlog": "response times of each case as an HdrHistogram log, for its tools",
    "trials.jsonl": "one record for each trial: histograms, samples, verdict, command line",
    "starts.jsonl": "one record for each start of a server",
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
    interrupted: Sequence[str]
    """Of a run that did not come to its end, what it lacks: in a sentence, and then question by question."""
    headline: Sequence[str]
    answers: Sequence[tuple[str, rows.Group]]
    """Sentences and the tables under them, for each question."""
    candidates: str
    """What is compared, as the head of its column has it."""
    charts: Sequence[Chart]
    unanswered: Sequence[words.Unanswered]
    meanings: Mapping[Verdict, str]
    """Of the verdicts that occur among the unanswered."""
    method: Sequence[str]
    environment: Sequence[tuple[str, str]]
    packages: Mapping[str, str]
    files: Mapping[str, str]


def page(
    run: RunInfo,
    comparisons: Sequence[ComparisonSummary],
    charts: Sequence[Chart],
    starts: Sequence[ServerStart] = (),
    trials: Sequence[Record] = (),
) -> Page:
    """Arrange a run's answer; starts tell what servers really ran with, and trials how a search went."""
    summaries = [each for comparison in comparisons for each in comparison.summaries]
    groups = rows.groups(run, comparisons)
    unanswered = words.unanswered(groups)
    occurring = {each.verdict for each in unanswered}
    return Page(
        title=_title(run, summaries),
        lead=_lead(run),
        interrupted=interruption.lines(run, summaries),
        headline=[*words.headline(run, groups), *trust.lines(run, groups)],
        answers=[(f"{words.answer(group)} {words.scaling(run, group, groups)}".rstrip(), group) for group in groups],
        candidates=candidates_column(summaries),
        charts=charts,
        unanswered=unanswered,
        meanings={verdict: meaning for verdict, meaning in words.MEANING.items() if verdict in occurring},
        method=method.method(run, trials),
        environment=method.environment(run, summaries, starts),
        packages=run.environment.packages,
        files=FILES,
    )


def _title(run: RunInfo, summaries: Sequence[CaseSummary]) -> str:
    cases = [*(each.case for each in summaries), *(run.planned if run.complete is False else ())]
    servers = dict.fromkeys(case.server for case in cases)
    apps = dict.fromkeys(case.app for case in cases)
    if len(apps) <= 1:
        return f"ASGI servers compared: {', '.join(servers) or 'none'}"
    if len(servers) == 1:
        return f"ASGI apps compared on {', '.join(servers)}: {', '.join(apps)}"
    return f"ASGI apps and servers compared: {', '.join(apps)} on {', '.join(servers)}"


def _lead(run: RunInfo) -> str:
    where = run.environment
    parts = [run.started_at[:10], f"{where.cpu_model} × {where.cpu_count}", str(run.conditions)]
    return " · ".join([*parts, "interrupted"] if run.complete is False else parts)

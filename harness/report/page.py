"""Everything that a report shows, decided once: Markdown and HTML only lay it out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from harness.analysis.naming import Naming
from harness.report import (
    control,
    decisions,
    distance,
    interruption,
    matrix,
    scaling,
    sentences,
    server_share,
    trust,
    users,
)
from harness.report.method import describe_environment, describe_machines, describe_method
from harness.report.sections import list_starts, make_sections

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.figure import Figure

    from harness.model.plan import Case
    from harness.model.records import Record, ServerStart, Verdict
    from harness.model.run_info import RunInfo
    from harness.model.server_share import ServerShare
    from harness.model.summaries import CaseSummary, ComparisonSummary
    from harness.report.behaviour import Behaviour
    from harness.report.sections import Section, Starts

FILES = {
    "summary.json": "the numbers of this report, for programs",
    "latency.hlog": "response times of each case as an HdrHistogram log, for its tools",
    "trials.jsonl": "one record for each trial: histograms, samples, verdict, command line",
    "starts.jsonl": "one record for each start of a server",
    "run.json": "options, environment, all installed packages",
    "logs/": "what the servers and the load generator wrote",
    "charts/": "every chart as SVG, for light and for dark pages, and as PNG",
}

MOST_NAMED = 8
"""A title names so many servers or apps; more are counted."""
ALT_PANELS = 3
"""So many panels of a chart are in its alternative text; its file and its page have all."""


class Chart(NamedTuple):
    """A drawn chart: the name of its files, its title, its caption, the figure, and what that shows, in words."""

    name: str
    title: str
    caption: str
    figure: Figure
    words: Sequence[str] = ()
    """A sentence for each panel."""

    @property
    def label(self) -> str:
        """Its title and its result, for readers who do not see it; without a result, its caption."""
        return f"{self.title}. {' '.join(self.words) or self.caption}"

    @property
    def short_label(self) -> str:
        """The same with as many panels as an alternative text has room for."""
        return f"{self.title}. {' '.join(self.words[:ALT_PANELS]) or self.caption}"


@dataclass(frozen=True)
class Page:
    """The parts of a report, in the order in which they are read."""

    title: str
    lead: str
    interrupted: Sequence[str]
    """What an interrupted run lacks: a sentence, then a line for each comparison."""
    decisions: Sequence[decisions.Decision]
    """The answer of each comparison in a line, in the order of `answers`."""
    control: Sequence[str]
    """What the baseline measured against itself shows."""
    server_share: Sequence[server_share.Answer]
    """Whether the server matters for the user's app; none in a run that did not look for it."""
    headline: Sequence[str]
    """The result as a whole: whom to choose, how sure that is."""
    legend: str
    """What the numbers and marks of the answers mean."""
    trust: Sequence[str]
    """What to know before believing a number or a difference."""
    matrices: Sequence[matrix.Matrix]
    answers: Sequence[tuple[str, Section]]
    """For each comparison, the answer in sentences, and the tables below it."""
    starts: Sequence[Starts]
    candidates: str
    """What the candidates are, as the title of their column."""
    charts: Sequence[Chart]
    behaviour: Sequence[Behaviour]
    """What checks and drills say of the servers, dangers first; none where the run has none."""
    unanswered: Sequence[sentences.Unanswered]
    meanings: Mapping[Verdict, str]
    """What the verdicts of the unanswered cases mean."""
    method: Sequence[str]
    environment: Sequence[tuple[str, str]]
    packages: Mapping[str, str]
    files: Mapping[str, str]


def make_page(
    run: RunInfo,
    comparisons: Sequence[ComparisonSummary],
    charts: Sequence[Chart],
    starts: Sequence[ServerStart] = (),
    trials: Sequence[Record] = (),
    shares: Sequence[ServerShare] = (),
    files: Mapping[str, str] = FILES,
    behaviour: Sequence[Behaviour] = (),
) -> Page:
    """Arrange the results of a run. `starts` hold what servers ran with, `trials` how a search went.

    `files` are those beside the page that it links to, with what they are.
    """
    summaries = [each for comparison in comparisons for each in comparison.summaries]
    sections = make_sections(run, comparisons, _find_logs(trials))
    decided = [decisions.decide(run, each) for each in sections]
    unanswered = sentences.list_unanswered(sections)
    occurring = {each.verdict for each in unanswered}
    return Page(
        title=_title(run, summaries),
        lead=_lead(run),
        interrupted=interruption.lines(run, summaries),
        decisions=decided,
        control=control.lines(sections),
        server_share=server_share.list_answers(shares),
        headline=[
            *filter(None, [decisions.name_choices(sections), decisions.count_clear(decided)]),
            *sentences.headline(run, sections),
        ],
        legend=decisions.explain_marks(decided),
        trust=[
            *sentences.list_warnings(run),
            *trust.lines(run, sections),
            *trust.count_left_out(run, sections),
            *describe_machines(run),
        ],
        matrices=matrix.make_matrices(sections),
        answers=[(describe_section(run, each, sections), each) for each in sections],
        starts=list_starts(run, comparisons),
        candidates=Naming.of(each.case.candidate for each in summaries).title,
        charts=charts,
        behaviour=behaviour,
        unanswered=unanswered,
        meanings={verdict: meaning for verdict, meaning in sentences.MEANING.items() if verdict in occurring},
        method=describe_method(run, summaries, trials),
        environment=describe_environment(run, summaries, starts),
        packages=run.environment.packages,
        files=files,
    )


def _find_logs(trials: Sequence[Record]) -> dict[Case, str]:
    """The last that was kept of what programs wrote in each case that went wrong."""
    return {each.case: each.log_tail for each in trials if each.log_tail and each.verdict != "valid"}


def describe_section(run: RunInfo, section: Section, sections: Sequence[Section]) -> str:
    """The answer of a comparison, and the remarks on it."""
    parts = [sentences.answer(section), sentences.name_other_leaders(section), *list_remarks(run, section, sections)]
    return " ".join(filter(None, parts))


def list_remarks(run: RunInfo, section: Section, sections: Sequence[Section]) -> list[str]:
    """What took the baseline's place, and what a comparison says with those of other users, workers and distances."""
    remarks = (
        sentences.explain_reference(run, section),
        scaling.sentence(run, section, sections),
        users.sentence(section, sections),
        distance.sentence(run, section, sections),
    )
    return [each for each in remarks if each]


def _title(run: RunInfo, summaries: Sequence[CaseSummary]) -> str:
    planned = run.ranked_cases if run.complete is False else ()
    cases = [*(each.case for each in summaries), *planned]
    servers = dict.fromkeys(case.server for case in cases)
    apps = dict.fromkeys(case.app for case in cases)
    if max(len(servers), len(apps)) > MOST_NAMED:
        return (
            f"{len(apps)} ASGI apps on {len(servers)} servers compared"
            if len(apps) > 1
            else f"{len(servers)} ASGI servers compared"
        )
    if len(apps) <= 1:
        return f"ASGI servers compared: {', '.join(servers) or 'none'}"
    if len(servers) == 1:
        return f"ASGI apps compared on {', '.join(servers)}: {', '.join(apps)}"
    return f"ASGI apps and servers compared: {', '.join(apps)} on {', '.join(servers)}"


def _lead(run: RunInfo) -> str:
    where = run.environment
    parts = [run.started_at[:10], f"{where.cpu_model} × {where.cpu_count}", str(run.conditions)]
    if run.part:
        parts.append(f"a part of the run: {'; '.join(run.part)}")
    return " · ".join([*parts, "interrupted"] if run.complete is False else parts)

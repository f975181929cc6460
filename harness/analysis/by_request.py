"""The figures of a case for each method and name of its requests, with ratios to those of the baseline. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypedDict

from harness.analysis.intervals import PER_MILLE, as_turns, estimate, estimate_latency, has_tail, paired_ratio
from harness.model.summaries import Ratios, RequestSummary

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np

    from harness.analysis.case_rounds import CaseRounds
    from harness.analysis.intervals import Key, Turns
    from harness.model.results import LoadResult, RequestResult
    from harness.model.summaries import Estimate, Latency

Request = tuple[str, str]
"""A method and a name."""


class _EventFigures(TypedDict, total=False):
    events_per_s: Estimate | None
    first_event_us: Latency
    gap_us: Latency


@dataclass(frozen=True)
class _RequestRounds:
    """The requests of one method and name, by round: each with the result that it is a part of."""

    rounds: Mapping[Key, tuple[LoadResult, RequestResult]]

    @property
    def parts(self) -> list[RequestResult]:
        return [part for _, part in self.rounds.values()]

    @property
    def throughput_rps(self) -> dict[Key, float]:
        return {
            key: sum(part.answers) / whole.counted_s for key, (whole, part) in self.rounds.items() if whole.counted_s
        }

    @property
    def events_per_s(self) -> dict[Key, float]:
        """The rate of answers, times the events that one has."""
        return {
            key: rps * part.stream.events / part.requests
            for key, rps in self.throughput_rps.items()
            if (part := self.rounds[key][1]).stream is not None and part.requests
        }

    @property
    def throughput_turns(self) -> Turns:
        return {
            key: {
                each.cycle: answers / each.counted_s
                for each, answers in zip(whole.slices, part.answers, strict=True)
                if answers
            }
            for key, (whole, part) in self.rounds.items()
        }

    @property
    def p99_turns(self) -> Turns:
        timed = {key: part.response for key, (_, part) in self.rounds.items()}
        return as_turns(
            {key: each.percentile(99) for key, each in timed.items() if has_tail(each.count, PER_MILLE["p99"])}
        )


def summarise_requests(
    row: CaseRounds, reference: CaseRounds | None, chance: np.random.Generator
) -> tuple[RequestSummary, ...]:
    """The requests of a case, those with the most answers first; `reference` is what the ratios are ratios to."""
    own, others = _collect(row), {} if reference is None else _collect(reference)
    found = []
    for method, name in dict.fromkeys([*own, *row.errors_by_request]):
        rounds = own.get((method, name), _RequestRounds({}))
        requests = sum(part.requests for part in rounds.parts)
        errors = row.errors_by_request.get((method, name), 0)
        if not requests and not errors:
            continue  # it was sent before anything counted, as a login is
        found.append(
            RequestSummary(
                method,
                name,
                requests=requests,
                errors=errors,
                unanswered=sum(part.unanswered for part in rounds.parts),
                throughput_rps=estimate(tuple(rounds.throughput_rps.values())) if requests else None,
                latency_us=estimate_latency([part.response for part in rounds.parts], chance),
                ratio_to_baseline=_divide(rounds, others.get((method, name))),
                **_summarise_events(rounds, chance),
            )
        )
    return tuple(sorted(found, key=lambda each: (-each.requests, each.name, each.method)))


def _summarise_events(rounds: _RequestRounds, chance: np.random.Generator) -> _EventFigures:
    """The figures of events; none where there are no events."""
    streams = [part.stream for part in rounds.parts if part.stream is not None and part.stream.events]
    if not streams:
        return {}
    return {
        "events_per_s": estimate(tuple(rounds.events_per_s.values())),
        "first_event_us": estimate_latency([each.first_event for each in streams], chance),
        "gap_us": estimate_latency([each.gap for each in streams], chance),
    }


def _collect(row: CaseRounds) -> dict[Request, _RequestRounds]:
    several: dict[Request, dict[Key, tuple[LoadResult, RequestResult]]] = {}
    for each in row.rounds:
        for part in each.result.by_request:
            several.setdefault((part.method, part.name), {})[each.key] = (each.result, part)
    return {request: _RequestRounds(rounds) for request, rounds in several.items()}


def _divide(rounds: _RequestRounds, reference: _RequestRounds | None) -> Ratios | None:
    if reference is None:
        return None
    throughput = paired_ratio(rounds.throughput_turns, reference.throughput_turns)
    return None if throughput is None else Ratios(throughput, None, paired_ratio(rounds.p99_turns, reference.p99_turns))

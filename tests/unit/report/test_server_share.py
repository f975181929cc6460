"""What the report says about how much the server matters."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from harness.model.loads import SATURATE
from harness.model.plan import Comparison
from harness.model.records import Verdict
from harness.model.server_share import HalfRate, Limit, ServerPart, ServerShare, Spread
from harness.model.summaries import Estimate, Latency, Ratio
from harness.report import html, markdown, summary
from harness.report.page import make_page
from harness.report.server_share import QUESTION, describe, list_answers
from tests.reported import COMPARISONS, RUN


def about(value: float) -> Estimate:
    return Estimate(value, 0.97 * value, 1.03 * value)


def part(server: str, reference_us: float | None, *, cpu_us: float | None = 3_100, used: float = 0.97) -> ServerPart:
    both = None if reference_us is None or cpu_us is None else reference_us / cpu_us
    return ServerPart(
        server=server,
        verdict="valid",
        throughput_rps=about(310),
        cpu_us_per_request=None if cpu_us is None else about(cpu_us),
        reference_cpu_us_per_request=None if reference_us is None else about(reference_us),
        share=None if both is None else Ratio(both, 0.95 * both, 1.05 * both),
        cpus_used=None if cpu_us is None else used,
        reason="",
        at_half_rate=None,
    )


def spread(value: float, low: float, high: float) -> Spread:
    return Spread("granian", "daphne", Ratio(value, low, high))


PARTS = (part("granian", 31), part("daphne", 131))
SHARE = ServerShare(
    app="shop",
    comparison=Comparison("shop", "h1", SATURATE, 32, 1, 1),
    parts=PARTS,
    limit="cpu",
    gain_by_cpu=0.046,
    spread=spread(1.02, 0.99, 1.04),
)
SMALL = (
    "Of 3.10 ms (95 %: 3.01 to 3.19) CPU a request, the server is 0.0310 to 0.131 ms (95 %: 0.0301 to 0.135), "
    "or 1 % to 4.2 % (the reference app under the same servers); your app is the rest."
)


def test_a_server_that_hardly_matters_is_bounded_by_its_cpu_time_and_by_what_was_measured() -> None:
    assert describe(SHARE) == (
        f"{SMALL} Choosing another of these changes throughput by at most 4.6 %. "
        "By CPU, a server that costs nothing would raise throughput by at most 4.6 %. "
        "Measured, granian answers 1.02 times as many requests as daphne (0.99 – 1.04); no difference seen."
    )


@pytest.mark.parametrize(
    ("limit", "gain", "found", "expected"),
    [
        ("cpu", 0.046, spread(1.05, 0.98, 1.12), "by at most 12 %. By CPU, a server that costs nothing would"),
        ("cpu", 0.046, spread(1.2, 1.15, 1.25), "That is more than the reference app's CPU explains"),
        ("cpu", 0.046, spread(1.2, 0.4, 3.6), "There are too few rounds to tell"),
        ("cpu", 0.046, None, "CPU sets the throughput: a server that costs nothing would raise throughput"),
        ("cpu", math.inf, spread(1.9, 1.8, 2.0), "nearly all of it, so it matters which one it is. Measured, granian"),
        ("cpu", None, spread(1.2, 1.15, 1.25), "(1.15 – 1.25)."),
        ("waiting", 0.046, spread(1.01, 0.98, 1.03), "waits more than it computes (0.97 CPUs used), so CPU does not"),
        ("waiting", 0.046, spread(1.01, 0.98, 1.03), "(0.98 – 1.03), at most 3 % more; no difference seen."),
        ("unknown", 0.046, spread(1.2, 1.15, 1.25), "(1.15 – 1.25), at most 25 % more."),
        ("unknown", 0.046, None, "Whether CPU sets the throughput cannot be told: others took CPU time,"),
    ],
)
def test_no_bound_is_narrower_than_what_was_measured(
    limit: Limit, gain: float | None, found: Spread | None, expected: str
) -> None:
    text = describe(replace(SHARE, limit=limit, gain_by_cpu=gain, spread=found))
    assert expected in text
    if limit != "cpu":
        assert "costs nothing" not in text


def test_a_server_whose_processes_are_unknown_has_no_share() -> None:
    share = replace(SHARE, parts=(part("ours", None, cpu_us=None),), limit="unknown", gain_by_cpu=None, spread=None)
    assert describe(share) == (
        "How much of the CPU time is the server's is unknown, as the processes of ours are (--pid, --cgroup)."
    )


def test_a_reference_app_without_a_number_is_told_with_the_reason() -> None:
    share = replace(SHARE, parts=(*PARTS, replace(part("ours", None), reason="no module apps")))
    assert "The reference app has no number under ours: no module apps." in describe(share)


def test_intervals_of_too_few_rounds_are_not_written_out() -> None:
    wild = replace(PARTS[0], cpu_us_per_request=Estimate(3_100, 300, 31_000))
    assert describe(replace(SHARE, parts=(wild, PARTS[1]))).startswith("Of 3.10 ms (too few rounds) CPU a request, ")


def half(p99_us: float | None, verdict: Verdict = "valid") -> HalfRate:
    p99 = None if p99_us is None else about(p99_us)
    return HalfRate(
        verdict,
        () if verdict == "valid" else ("too slow",),
        155.0,
        about(155),
        Latency(p50=about(4_000), p99=p99),
        about(3_200),
    )


@pytest.mark.parametrize(
    ("halves", "expected"),
    [
        ((half(5_100), half(7_020)), "p99 is 5.10 (granian) to 7.02 (daphne) ms, CPU a request 3.20 (granian) to 3.20"),
        ((half(None), half(7_020)), "p50 is 4.00 (granian) to 4.00 (daphne) ms"),
        (
            (half(5_100), half(7_020, "invalid")),
            "p99 is 5.10 (granian) ms, CPU a request 3.20 (granian) ms; daphne is invalid (too slow).",
        ),
        (
            (half(5_100, "invalid"), half(7_020, "failed")),
            "reaches, granian is invalid (too slow); daphne is failed (too slow).",
        ),
    ],
)
def test_at_half_of_the_slowest_rate_only_valid_numbers_are_told(
    halves: tuple[HalfRate, HalfRate], expected: str
) -> None:
    parts = tuple(replace(own, at_half_rate=each) for own, each in zip(PARTS, halves, strict=True))
    text = describe(replace(SHARE, parts=parts))
    assert "At 155 requests/s, half of what the slowest reaches" in text
    assert expected in text
    (answer,) = list_answers([replace(SHARE, parts=parts)])
    assert "p99 ms at 155/s" in answer.table.columns


def test_pages_and_programs_get_the_answer() -> None:
    page = make_page(RUN, COMPARISONS, [], shares=[SHARE])
    for shown in (markdown.render(page), html.render(page, {})):
        assert shown.index(QUESTION) < shown.index("Small figures" if "<html" in shown else "## Each comparison")
        assert "your app is the rest" in shown
    (plain,) = summary.to_contract(RUN, COMPARISONS, [SHARE])["server_share"]
    assert plain.keys() == {
        *("app", "scenario", "protocol", "load", "users", "streams", "workers", "servers", "answer"),
        *("limit", "gain_by_cpu", "spread", "most_change"),
    }
    assert plain["most_change"] == 0.046
    assert plain["servers"][0]["share"] == {"value": 0.01, "low": 0.0095, "high": 0.0105}
    assert plain["answer"] == describe(SHARE)
    assert QUESTION not in markdown.render(make_page(RUN, COMPARISONS, []))

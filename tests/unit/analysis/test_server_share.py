"""How much of a request is the server's, and what choosing another may change: never more than the intervals say."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.analysis.server_share import ALL_FROM, bound_gain, estimate_server_shares
from harness.analysis.summarise import summarise
from harness.model.loads import Rate
from harness.model.plan import REFERENCE_APP, Case
from harness.model.records import Record
from harness.model.summaries import Ratio
from tests import builders
from tests.builders import record

if TYPE_CHECKING:
    from collections.abc import Mapping

    from harness.model.server_share import Limit, ServerShare

WOBBLE = (1.0, 1.01, 0.99)
"""What a figure is multiplied by in each round."""


def shop(server: str) -> Case:
    return Case(server, "shop", "shop", "h1")


def reference(server: str) -> Case:
    return Case(server, REFERENCE_APP, "reference-app plaintext", "h1", aside=True)


def rounds(case: Case, answers: int, cpu_us: float, **options: object) -> list[Record]:
    """Rounds of one second with so many answers of so much CPU time."""
    return [
        record(case, number, round(answers / each), cpu_s=answers * cpu_us / 1e6, **options)  # type: ignore[arg-type]
        for number, each in enumerate(WOBBLE)
    ]


def share_of(records: list[Record], **changes: object) -> ServerShare:
    (found,) = estimate_server_shares(records, builders.run_info(**changes))
    return found


def measured(rates: Mapping[str, int], cpu_us: float = 3_000, server_us: float = 60, **options: object) -> list[Record]:
    own = [each for server, rate in rates.items() for each in rounds(shop(server), rate, cpu_us, **options)]
    return [*own, *(each for server in rates for each in rounds(reference(server), 10_000, server_us))]


def test_the_share_is_the_reference_apps_cpu_time_in_that_of_the_app() -> None:
    share = share_of(measured({"a": 320, "b": 310}))
    assert share.app == "shop"
    assert [part.server for part in share.parts] == ["a", "b"]
    for part in share.parts:
        assert part.cpu_us_per_request is not None
        assert part.reference_cpu_us_per_request is not None
        assert part.share is not None
        assert part.cpu_us_per_request.median == pytest.approx(3_000, rel=0.02)
        assert part.reference_cpu_us_per_request.median == pytest.approx(60, rel=0.02)
        assert part.share.low <= 0.02 <= part.share.high
        assert part.cpus_used == pytest.approx(0.95, abs=0.03)
    assert share.limit == "cpu"
    assert share.gain_by_cpu == pytest.approx(0.0204, rel=0.1)


def test_what_was_measured_between_servers_counts_where_it_is_more_than_cpu_explains() -> None:
    share = share_of(measured({"a": 320, "b": 160}, cpu_us=6_000))
    assert share.spread is not None
    assert (share.spread.fastest, share.spread.slowest) == ("a", "b")
    assert share.most_change == share.spread.ratio.high - 1 > 0.9


@pytest.mark.parametrize(
    ("cpu_us", "options", "limit"),
    [
        (3_000, {}, "cpu"),
        (300, {}, "waiting"),
        (300, {"verdict": "client-limited"}, "unknown"),
    ],
)
def test_cpu_sets_the_rate_only_of_servers_that_are_busy(
    cpu_us: float, options: dict[str, object], limit: Limit
) -> None:
    assert share_of(measured({"a": 320, "b": 320}, cpu_us, **options)).limit == limit


def test_a_server_that_others_disturbed_does_not_look_as_if_it_waited() -> None:
    records = [replace(each, disturbed=True) for each in measured({"a": 320}, 300)]
    assert share_of(records).limit == "unknown"


def test_at_a_given_rate_nothing_is_said_about_throughput() -> None:
    load = Rate(300)
    records = [replace(each, case=replace(each.case, load=load)) for each in measured({"a": 300, "b": 300})]
    share = share_of(records, load=load)
    assert (share.limit, share.spread, share.most_change) == ("unknown", None, None)
    assert all(part.share is not None for part in share.parts)


def test_without_cpu_time_the_share_is_unknown_and_the_difference_is_not() -> None:
    records = [replace(each, slice_cpu_s=(None,)) for each in measured({"a": 320, "b": 310}) if not each.case.aside]
    info = replace(builders.run_info(), planned=(reference("a"),))
    (share,) = estimate_server_shares(records, info)
    assert share.limit == "unknown"
    assert share.gain_by_cpu is None
    assert all(part.share is None and part.cpus_used is None for part in share.parts)
    assert share.spread is not None


def test_a_reference_app_that_failed_is_named_with_its_reason() -> None:
    records = [
        replace(each, verdict="failed", reasons=("no module apps",)) if each.case == reference("b") else each
        for each in measured({"a": 320, "b": 310})
    ]
    parts = {part.server: part for part in share_of(records).parts}
    assert (parts["a"].reason, parts["b"].reason) == ("", "no module apps")
    assert parts["b"].share is None


def test_the_app_at_half_of_the_slowest_rate_stands_beside_its_closed_loop() -> None:
    half = [
        each
        for server in "ab"
        for each in rounds(replace(shop(server), load=Rate(155), aside=True), 155, 3_300, response_us=5_000)
    ]
    records = [*measured({"a": 320, "b": 310}), *half]
    for part in share_of(records).parts:
        assert part.at_half_rate is not None
        assert part.at_half_rate.offered_rps == 155
        assert part.at_half_rate.cpu_us_per_request is not None
        assert part.at_half_rate.cpu_us_per_request.median == pytest.approx(3_300, rel=0.02)
    (comparison,) = summarise(records, [], builders.run_info())
    assert {(each.case.app, each.case.load.text) for each in comparison.summaries} == {("shop", "saturate")}


def test_a_run_that_did_not_look_for_it_says_nothing() -> None:
    records = [each for each in measured({"a": 320}) if not each.case.aside]
    assert estimate_server_shares(records, builders.run_info()) == []


def test_only_the_most_users_are_looked_at() -> None:
    few = rounds(replace(shop("a"), users=8), 200, 3_000)
    share = share_of([*few, *measured({"a": 320})], users=(8, 32))
    assert share.comparison.users == 32


def test_one_round_bounds_nothing() -> None:
    records = [each for each in measured({"a": 320, "b": 310}) if each.round == 0]
    share = share_of(records)
    assert (share.gain_by_cpu, share.spread, share.most_change) == (None, None, None)


@given(st.lists(st.tuples(st.floats(0.001, 3), st.floats(1.001, 2)), min_size=1, max_size=5))
def test_the_bound_holds_for_every_share_within_its_interval(shares: list[tuple[float, float]]) -> None:
    """A server that costs nothing leaves 1 − s of the CPU time, so the rate rises to 1 ÷ (1 − s)."""
    gain = bound_gain([Ratio(value, value / width, value * width) for value, width in shares])
    highest = max(value * width for value, width in shares)
    assert gain is not None
    assert gain == math.inf if highest >= ALL_FROM else gain >= 1 / (1 - highest) - 1 - 1e-9

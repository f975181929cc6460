from __future__ import annotations

import shlex
from dataclasses import replace

import pytest

from harness.model.run_info import RunInfo
from harness.model.summaries import CaseSummary, Estimate, Ratio, Ratios
from harness.report.decisions import Decision, decide, explain_marks, name_choices
from harness.report.sections import make_sections
from harness.report.sentences import list_first
from tests import synthetic
from tests.reported import RUN, SWEEP, control_run
from tests.synthetic import Fault, flat, grouped, no_faults, under

SERVERS = ("uvicorn", "granian", "hypercorn")


def ranked(server: str, rank: int | None, throughput: Ratio, cpu: Ratio, cases: list[CaseSummary]) -> CaseSummary:
    case = next(each for each in cases if each.case.server == server)
    return replace(case, rank=rank, ratio_to_baseline=Ratios(throughput, cpu, None))


CPU = Ratio(0.8, 0.79, 0.81)


def decide_on(*found: tuple[str, int | None, Ratio]) -> Decision:
    """The decision on candidates with these ranks and ratios of throughput to uvicorn."""
    cases = flat(synthetic.summaries(SERVERS, [("echo", "h2")], no_faults, 200))
    (section,) = make_sections(RUN, grouped(ranked(*each, CPU, cases) for each in found))
    return decide(RUN, section)


BASELINE = Ratio(1, 1, 1)


def test_a_lead_is_a_ratio_to_the_baseline_with_its_interval_and_its_cost() -> None:
    found = decide_on(
        ("granian", 1, Ratio(1.9, 1.6, 2.2)), ("hypercorn", 2, Ratio(1.3, 1.2, 1.4)), ("uvicorn", 3, BASELINE)
    )
    assert found.sentence == "granian: 1.90× uvicorn (1.60 – 2.20), at 0.80× its CPU; next is hypercorn, 1.30× uvicorn"
    assert (found.clarity, found.mark, found.command) == ("clear", "✓ clear", "")
    assert (found.protocol, found.place, found.anchor) == ("HTTP/2 with TLS", "echo", "echo-h2")


def test_a_lead_of_the_baseline_is_a_ratio_to_the_next() -> None:
    found = decide_on(("uvicorn", 1, BASELINE), ("granian", 2, Ratio(0.5, 0.4, 0.8)))
    assert found.sentence == "uvicorn: 2.00× granian (1.25 – 2.50), the next, at 1.25× its CPU"
    assert found.clarity == "clear"


def test_a_tie_says_which_difference_would_have_shown_and_how_to_see_a_smaller_one() -> None:
    found = decide_on(
        ("uvicorn", 1, BASELINE), ("granian", 1, Ratio(1.01, 0.97, 1.05)), ("hypercorn", 3, Ratio(0.4, 0.39, 0.41))
    )
    assert found.sentence == (
        "granian and uvicorn cannot be told apart; a difference above 4 % would have shown; "
        "next is hypercorn, 0.40× uvicorn"
    )
    assert found.clarity == "tied"
    words = shlex.split(found.command)
    assert words[:2] == ["harness", "run"]
    assert words[words.index("--servers") + 1] == "granian,uvicorn"
    assert words[words.index("--protocols") + 1] == "h2"
    assert words[words.index("--precision") + 1] == "2%"
    assert words.count("--scenarios") == 1


def test_a_tie_of_wide_intervals_is_too_noisy() -> None:
    for wide, said in (
        (Ratio(1.1, 0.8, 1.5), "above 37 % would have shown"),
        (Ratio(1.1, 0.3, 4), "apart"),
    ):
        found = decide_on(("uvicorn", 1, BASELINE), ("granian", 1, wide))
        assert found.clarity == "too noisy"
        assert found.sentence.endswith(said)
        assert "--precision 5%" in found.command


def test_a_tie_without_the_baseline_adds_the_errors_of_both_ratios_and_says_where_the_baseline_is() -> None:
    found = decide_on(
        ("granian", 1, Ratio(1.5, 1.46, 1.54)), ("hypercorn", 1, Ratio(1.49, 1.45, 1.53)), ("uvicorn", 3, BASELINE)
    )
    assert "cannot be told apart; a difference above 3.9 % would have shown; granian: 1.50× uvicorn" in found.sentence


@pytest.mark.parametrize(("false", "clarity"), [(0.06, "too noisy"), (0.03, "clear")])
def test_a_lead_that_is_no_larger_than_the_difference_of_the_control_from_its_server_is_not_clear(
    false: float, clarity: str
) -> None:
    cases = flat(synthetic.summaries(SERVERS[:2], [("echo", "h2")], no_faults, 200, control=True))
    control = next(replace(each, rank=None) for each in cases if each.case.control)
    control = replace(control, ratio_to_baseline=Ratios(Ratio(1 + false, 1.01, 1.1), None, None))
    candidates = [each for each in cases if not each.case.control]
    leading = [
        ranked("granian", 1, Ratio(1.05, 1.02, 1.08), CPU, candidates),
        ranked("uvicorn", 2, BASELINE, BASELINE, candidates),
    ]
    (section,) = make_sections(RUN, grouped([*leading, control]))
    found = decide(RUN, section)
    assert found.clarity == clarity
    assert ("but the control differs from its own server by 6 %, which is no less" in found.sentence) == (false > 0.05)
    assert bool(found.command) == (false > 0.05)


def test_who_may_be_faster_than_the_generator_leaves_it_open() -> None:
    cases = flat(synthetic.summaries(SERVERS, [("plaintext", "h1")], synthetic.usual_faults, 200))
    (section,) = make_sections(RUN, grouped(cases))
    found = decide(RUN, section)
    assert found.clarity == "open"
    assert found.sentence.endswith("may be faster: the load generator was the limit")


def test_whom_the_generator_limited_is_first_where_even_so_nobody_was_as_fast() -> None:
    cases = flat(synthetic.summaries(["granian", "uvicorn", "hypercorn"], [("plaintext", "h1")], no_faults, 200))
    fast, *ranked = sorted(cases, key=lambda each: -each.throughput_rps.median)
    fast = replace(fast, verdict="client-limited", rank=None, throughput_rps=Estimate(9e5, 8e5, 1e6))
    (section,) = make_sections(RUN, grouped([fast, *ranked]))
    found = decide(RUN, section)
    assert found.clarity == "clear"
    assert found.sentence.startswith(f"{fast.name}: 900,000/s or more, where ")
    assert found.sentence.endswith("; the load generator was the limit")
    assert [each.name for each in list_first(section)] == [fast.name]
    other = replace(ranked[0], verdict="client-limited", rank=None)
    (section,) = make_sections(RUN, grouped([fast, other, *ranked[1:]]))
    found = decide(RUN, section)
    assert found.clarity == "open"
    assert {each.name for each in list_first(section)} == {fast.name, other.name}
    (section,) = make_sections(RUN, grouped([replace(fast, rounds=2), *ranked]))
    assert decide(RUN, section).clarity == "open", "two rounds say nothing"


def test_too_few_rounds_no_valid_number_a_single_candidate_and_rates() -> None:
    few = [
        replace(each, rank=None, rounds=1)
        for each in flat(synthetic.summaries(SERVERS, [("echo", "h1")], no_faults, 200))
    ]
    run = under(RUN, rounds=1)
    (section,) = make_sections(run, grouped(few))
    assert decide(run, section).clarity == "too noisy"
    assert "--rounds 5" in decide(run, section).command
    failed = synthetic.summaries(SERVERS, [("echo", "h1")], lambda _: Fault("failed", ("it did not start",)))
    (section,) = make_sections(RUN, failed)
    assert (decide(RUN, section).clarity, decide(RUN, section).command) == ("open", "")
    run, alone = control_run(Ratio(1.0, 0.99, 1.01))
    (section,) = make_sections(run, alone)
    assert decide(run, section).clarity == ""
    (section,) = make_sections(SWEEP, synthetic.sweep())
    assert decide(SWEEP, section).clarity == ""


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (("--scenarios", "json,echo", "--rounds=3"), ("--scenarios echo",)),
        (("--app", "shop:app", "--servers", "all"), ("--app shop:app", "--servers ")),
        (("--server", "granian=ours -b {address}"), ("--server 'granian=ours -b {address}'", "--servers uvicorn ")),
        (("--apps", "asgi,fastapi", "--precision", "9%"), ("--apps asgi",)),
    ],
)
def test_the_command_keeps_what_else_the_run_was_given(given: tuple[str, ...], kept: tuple[str, ...]) -> None:
    run = replace(RUN, argv=("/somewhere/harness/__main__.py", "run", *given))
    command = decide_pair(run)
    assert all(each in command for each in kept)
    assert ("--scenarios" in command) == ("--app" not in given)
    assert "9%" not in command
    assert "--rounds=3" not in command


def test_the_command_of_a_timeline_is_that_of_a_run_of_its_releases() -> None:
    for words in (("timeline", "uvicorn", "--last", "4"), ("timeline", "--last=4", "uvicorn")):
        command = decide_pair(replace(RUN, argv=("harness", *words, "--out", "there")))
        assert command.startswith("harness run --out there --servers ")
        assert "--last" not in command


def decide_pair(run: RunInfo) -> str:
    """The command that would settle which of two equal servers is faster."""
    cases = flat(synthetic.summaries(SERVERS[:2], [("echo", "h1")], no_faults, 200))
    (section,) = make_sections(run, grouped(replace(each, rank=1) for each in cases))
    return decide(run, section).command


def choose(ranks: dict[tuple[str, str], tuple[int | None, ...]]) -> str:
    """Whom to choose where the servers have these ranks in each comparison."""
    found = []
    for comparison in synthetic.summaries(SERVERS, list(ranks), no_faults, 200):
        of = comparison.comparison
        places = dict(zip(SERVERS, ranks[of.scenario, of.protocol], strict=True))
        found += [replace(each, rank=places[each.case.server]) for each in flat([comparison])]
    return name_choices(make_sections(RUN, grouped(found)))


def test_who_is_among_the_first_in_every_comparison_of_a_protocol_is_named() -> None:
    assert choose({("echo", "h1"): (1, 2, 3), ("json", "h1"): (1, 1, 3), ("echo", "h2"): (2, 1, 3)}) == (
        "First, or sharing first place, in every comparison: uvicorn over HTTP/1.1; granian over HTTP/2 with TLS."
    )
    assert choose({("echo", "h1"): (1, 1, 3), ("ws_echo", "ws"): (1, 1, 3)}) == (
        "First, or sharing first place, in every comparison: granian or uvicorn over HTTP/1.1 and WebSocket."
    )


def test_where_nobody_is_always_among_the_first_it_depends() -> None:
    assert choose({("echo", "h1"): (1, 2, 3), ("json", "h1"): (2, 1, 3), ("echo", "h2"): (2, 1, 3)}) == (
        "First, or sharing first place, in every comparison: granian over HTTP/2 with TLS; "
        "over HTTP/1.1 it depends on the comparison."
    )
    assert choose({("echo", "h1"): (1, 2, 3), ("json", "h1"): (2, 1, 3)}) == (
        "No candidate is among the first in every comparison: over HTTP/1.1 it depends on the comparison."
    )


def test_a_single_comparison_and_one_without_ranks_name_nobody() -> None:
    assert not choose({("echo", "h1"): (1, 2, 3)})
    assert not choose({("echo", "h1"): (1, 2, 3), ("json", "h1"): (1, None, None)})


def test_only_the_marks_that_occur_are_explained() -> None:
    clear = decide_on(("granian", 1, Ratio(1.9, 1.6, 2.2)), ("uvicorn", 2, BASELINE))
    text = explain_marks([clear])
    assert "Clear: one is first" in text
    assert "Tied" not in text
    assert "95 % interval" in text
    assert not explain_marks([replace(clear, clarity="")])

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from harness.model.summaries import Estimate, Latency
from harness.report import sentences, sweep
from harness.report.page import make_page
from harness.report.sections import make_sections
from tests import synthetic
from tests.reported import SWEEP
from tests.synthetic import flat, swept


def test_a_sweep_says_up_to_which_rate_p99_stays_short() -> None:
    (whole,) = synthetic.sweep(("uvicorn",))
    rate_at = {each.own_share: f"{each.offered_rps:,.0f}" for each in whole.summaries if each.own_share}
    within = "uvicorn keeps p99 within 10 ms up to"
    (section,) = make_sections(SWEEP, [whole])
    assert sentences.answer(section) == (
        f"{within} {rate_at[0.9]} requests/s (90 % of its own rate) and is overloaded at {rate_at[1.05]}."
    )
    (section,) = make_sections(SWEEP, [swept(each for each in whole.summaries if (each.own_share or 0) < 1)])
    assert sentences.answer(section) == f"{within} {rate_at[0.9]} requests/s (90 % of its own rate)."
    assert "Nothing could be ranked." not in make_page(SWEEP, [whole], []).headline


@given(
    st.lists(
        st.tuples(st.sampled_from(["valid", "client-limited", "overloaded"]), st.none() | st.integers(1, 20)),
        min_size=1,
        max_size=8,
    )
)
def test_a_rate_is_kept_only_below_every_rate_that_was_lost(points: list[tuple[str, int | None]]) -> None:
    one = flat(synthetic.sweep(("uvicorn",)))[1]
    rates = []
    for number, (verdict, p99_ms) in enumerate(points, 1):
        p99 = None if p99_ms is None else Estimate(p99_ms * 1000.0, p99_ms * 900.0, p99_ms * 1100.0)
        overloaded = verdict == "overloaded"
        rates.append(
            replace(
                one,
                offered_rps=float(number),
                verdict="invalid" if overloaded else verdict,
                achieved_ratio=0.5 if overloaded else 1.0,
                overloaded=overloaded,
                latency_us=Latency(p99=p99),
            )
        )
    kept, lost = sweep.find_reach(rates)
    tells = [each for each in rates if each.verdict == "valid" and each.latency_us.p99]
    bad = [each for each in rates if each.verdict == "invalid"] + [
        each for each in tells if each.latency_us.p99.median > sweep.TAIL_US
    ]
    assert lost == min(bad, key=lambda each: each.offered_rps, default=None)
    good = [each for each in tells if each not in bad and (lost is None or each.offered_rps < lost.offered_rps)]
    assert kept == max(good, key=lambda each: each.offered_rps, default=None)


def test_a_rate_that_the_machine_prevented_is_not_blamed_on_the_server() -> None:
    not_blamed = swept(
        replace(each, overloaded=False) if each.own_share == 1.05 else each
        for each in flat(synthetic.sweep(("uvicorn",)))
    )
    (section,) = make_sections(SWEEP, [not_blamed])
    assert sentences.answer(section).endswith("(90 % of its own rate).")

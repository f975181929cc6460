from __future__ import annotations

import pytest

from harness.charts import distance
from tests.drawings import words_in
from tests.reported import RUN
from tests.synthetic import at_distances, flat

BY_RTT = {0.0: {"h1-tls": 1000.0, "h2": 800.0}, 0.02: {"h1-tls": 400.0, "h2": 420.0}}


def test_each_protocol_has_a_line_over_the_rtt_and_its_response_times() -> None:
    figure = distance.draw(at_distances(BY_RTT), RUN)
    assert [axes.get_title(loc="left") for axes in figure.axes] == [
        "plaintext · granian",
        "plaintext · granian · response time",
    ]
    by_rate, by_time = figure.axes
    (h1, h2) = [line for line in by_rate.lines if len(line.get_xdata()) == 2]
    assert (list(h1.get_ydata()), list(h2.get_ydata())) == ([1000, 400], [800, 420])
    assert list(h1.get_xdata()) == pytest.approx([0, 20], abs=1)
    assert {"HTTP/2 with TLS p50", "HTTP/2 with TLS p99", "HTTP/1.1 with TLS p50"} <= set(words_in(figure))
    assert [label.get_text() for label in by_time.get_xticklabels()] == ["0", "20"]
    said = "HTTP/2 with TLS ÷ HTTP/1.1 with TLS 0.800× at 0 ms · 1.05× at 20 ms"
    assert figure.words == (f"plaintext · granian, requests/s by RTT: {said}.",)


def test_one_distance_needs_no_chart() -> None:
    assert distance.draw(at_distances({0.02: BY_RTT[0.02]}), RUN) is None
    assert distance.draw([], RUN) is None


def test_the_dotted_line_begins_above_zero_where_the_scale_is_logarithmic() -> None:
    wide = {rtt_s: {"h1-tls": rate} for rtt_s, rate in ((0.0, 20_000.0), (0.05, 100.0))}
    comparisons = at_distances(wide)
    _, by_time = distance.draw(comparisons, RUN).axes
    (dotted,) = [line for line in by_time.lines if line.get_linestyle() == ":"]
    assert list(dotted.get_xdata()) == [50]
    assert len(flat(comparisons)) == 2

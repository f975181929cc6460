from __future__ import annotations

import pytest

from harness.analysis.summarise import summarise
from harness.model.histogram import Histogram
from harness.model.plan import Case
from harness.model.records import Record
from harness.model.results import Errors, LoadResult, RequestResult, StreamResult
from tests.builders import RUN, load_slices, record

PING_US, CHAT_US = 400, 205_000


def measured(server: str, number: int, pings: int, chats: int, chat_errors: int = 0) -> Record:
    """A round of two cycles in which so many requests of each kind were answered, half of them in each."""
    by_request = (
        RequestResult("GET", "GET /chat", (chats / 2,) * 2, chats, Histogram.of([CHAT_US] * chats), chat_errors),
        RequestResult("GET", "GET /ping", (pings / 2,) * 2, pings, Histogram.of([PING_US] * pings)),
    )
    return record(
        Case(server, "asgi", "own", "h1"),
        number,
        slices=load_slices([(pings + chats) / 2] * 2),
        by_request=by_request,
        errors=Errors(chat_errors, {"status": chat_errors} if chat_errors else {}),
    )


def test_each_request_has_figures_of_its_own_and_ratios_to_the_same_request_of_the_baseline() -> None:
    rounds = [
        each for number in range(4) for each in (measured("a", number, 4_000, 40), measured("b", number, 2_000, 40, 1))
    ]
    (comparison,) = summarise(rounds, [], RUN)
    own = {each.case.server: each for each in comparison.summaries}
    ping, chat = own["b"].by_name
    assert [each.label for each in (ping, chat)] == ["GET /ping", "GET /chat"], "the most answers first"
    assert (ping.requests, ping.errors, chat.requests, chat.errors) == (8_000, 0, 160, 4)
    assert sum(each.requests for each in own["b"].by_name) == own["b"].requests
    assert sum(each.errors for each in own["b"].by_name) == own["b"].errors.total
    assert ping.throughput_rps is not None
    assert chat.throughput_rps is not None
    assert (ping.throughput_rps.median, chat.throughput_rps.median) == (1_000, 20)
    assert ping.latency_us.p99 is not None
    assert chat.latency_us.p90 is not None
    assert ping.latency_us.p99.median == PING_US
    assert chat.latency_us.p90.median == pytest.approx(CHAT_US, rel=0.001)
    assert chat.latency_us.p99 is None, "160 requests have no p99"
    assert ping.ratio_to_baseline is not None
    assert ping.ratio_to_baseline.throughput.value == pytest.approx(0.5)
    assert ping.ratio_to_baseline.p99 is not None
    assert ping.ratio_to_baseline.p99.value == pytest.approx(1)
    assert chat.ratio_to_baseline is not None
    assert chat.ratio_to_baseline.throughput.value == pytest.approx(1)


def test_a_request_that_only_failed_is_listed_with_its_errors_alone() -> None:
    failed = RequestResult("connect", "connect", (0.0,), 0, Histogram(), 3)
    (comparison,) = summarise([record(by_request=(failed,), errors=Errors(3, {"connect": 3}))], [], RUN)
    (request,) = comparison.summaries[0].by_name
    assert (request.label, request.requests, request.errors) == ("connect connect", 0, 3)
    assert request.throughput_rps is None
    assert request.latency_us.p50 is None


def test_events_have_figures_where_answers_are_read_as_they_come() -> None:
    def measured_events(number: int) -> Record:
        events = StreamResult(800, Histogram.of([1_000] * 40), Histogram.of([10_000] * 760))
        stream = RequestResult("GET", "/chat", (20.0,) * 2, 40, Histogram.of([CHAT_US] * 40), stream=events)
        plain = RequestResult("GET", "/ping", (20.0,) * 2, 40, Histogram.of([PING_US] * 40))
        return record(number=number, slices=load_slices([40] * 2), by_request=(stream, plain))

    (comparison,) = summarise([measured_events(number) for number in range(2)], [], RUN)
    chat, ping = comparison.summaries[0].by_name
    assert chat.events_per_s is not None
    assert chat.events_per_s.median == 20 * 20
    assert chat.first_event_us is not None
    assert chat.first_event_us.p50 is not None
    assert chat.first_event_us.p50.median == 1_000
    assert chat.first_event_us.p90 is None, "80 answers have no p90"
    assert chat.gap_us is not None
    assert chat.gap_us.p99 is not None
    assert chat.gap_us.p99.median == pytest.approx(10_000, rel=0.001)
    assert (ping.events_per_s, ping.first_event_us, ping.gap_us) == (None, None, None)


def test_results_of_load_processes_add_up_by_method_and_name() -> None:
    parts = [
        RequestResult("GET", "/a", (1.0, 2.0), 3, Histogram.of([5]), 1, 1),
        RequestResult("POST", "/a", (1.0, 1.0), 2, Histogram.of([6])),
        RequestResult("GET", "/a", (0.5, 0.25), 1, Histogram.of([7]), stream=_stream(2)),
        RequestResult("GET", "/a", (0.0, 0.0), 0, Histogram(), stream=_stream(3)),
    ]
    both = StreamResult(5, Histogram.of([2, 3]), Histogram.of([4, 6]))
    assert RequestResult.merge(parts) == (
        RequestResult("GET", "/a", (1.5, 2.25), 4, Histogram.of([5, 7]), 1, 1, both),
        RequestResult("POST", "/a", (1.0, 1.0), 2, Histogram.of([6])),
    )


def test_a_run_of_an_earlier_version_has_no_figures_by_request() -> None:
    result = record().result
    assert isinstance(result, LoadResult)
    assert result.by_request == ()
    (comparison,) = summarise([record()], [], RUN)
    assert comparison.summaries[0].by_name == ()


def _stream(events: int) -> StreamResult:
    return StreamResult(events, Histogram.of([events]), Histogram.of([2 * events]))

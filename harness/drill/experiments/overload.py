"""Twice the load that a worker can carry: what is answered, what is not, and when all is normal again."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

from harness.drill.model import Drill, Figure, NotApplicable, Observation, Seen, Tally, Words, percentile_ms
from harness.drill.site import USERS
from harness.drill.words import choose_option, seconds
from harness.text.numbers import count, percent

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.drill.model import Exchange
    from harness.drill.site import Site

BEFORE_S, OVERLOAD_S, AFTER_S = 2.0, 8.0, 15.0
MOST_RPS = 2000.0
"""More requests a second the client cannot be trusted to send in time."""
TIMES, USUAL = 2.0, 0.25
"""The overload, and the load before and after it, in multiples of the capacity."""
NORMAL_MS, NORMAL_TIMES = 100.0, 3.0
"""A response time is normal up to this, or up to so many times the p99 of before."""
WINDOW_S, WINDOW_SHARE = 1.0, 0.02
"""All is normal from the first second on in which no more than this share of requests is not."""
PROMPT_MS = 1000.0
HALF = 0.5
_REQUESTS = "due during the overload"
_DECLINED = "status 503"

# Tried on 2026-11-30, on the reference app: of 97 and 156 requests/s, 42 and 52 % were answered, and 4 % were told 503.
_OPTIONS = {
    "uvicorn": "--limit-concurrency N answers 503 beyond N connections, as it gets to accept them; tried with 64, it "
    "helped little",
    "gunicorn": "none with its asgi worker; --backlog N (2048) limits only what waits to be accepted",
    "hypercorn": "none; --backlog N (100) limits only what waits to be accepted",
    "granian": "--backpressure N (--backlog ÷ workers, 1024) limits the connections served; tried with 64, half was "
    "answered, and all was as before at once",
    "daphne": "none",
}


def _run(site: Site) -> Observation:
    usual = replace(site.requests, path=site.busy_path or site.path, body=None)
    with site.serving() as served:
        capacity_rps = served.measure_capacity_rps(usual)
        if TIMES * capacity_rps > MOST_RPS:
            raise NotApplicable(f"{count(capacity_rps)} requests/s: needs a slower --busy-path")
        over = replace(usual, rate_rps=(TIMES - USUAL) * capacity_rps)
        with served.load(replace(usual, rate_rps=USUAL * capacity_rps)) as steady:
            time.sleep(BEFORE_S)
            with served.load(over) as burst:
                begun_ns = time.monotonic_ns()
                time.sleep(OVERLOAD_S)
                over_ns = time.monotonic_ns()
            time.sleep(max(0.0, AFTER_S - (time.monotonic_ns() - over_ns) / 1e9))
        facts = (f"the server ended with {served.ended}",) if served.ended else ()
    asked = [*steady.due(begun_ns, over_ns), *burst.due(begun_ns, over_ns)]
    tally = Tally.of(_REQUESTS, asked)
    before_ms = percentile_ms(steady.due(0, begun_ns), 99)
    numbers = {
        "capacity_rps": capacity_rps,
        "answered_rps": tally.right / OVERLOAD_S,
        "before_ms": before_ms,
        "p99_ms": percentile_ms(asked, 99),
        "normal_s": find_normal_s(steady.due(over_ns, time.monotonic_ns()), over_ns, before_ms or 0.0),
    }
    return Observation((tally,), {name: value for name, value in numbers.items() if value is not None}, facts)


def find_normal_s(exchanges: Sequence[Exchange], since_ns: int, before_ms: float) -> float | None:
    """Seconds until response times are as before, judged by `WINDOW_S`; None if they never are."""
    limit_ms = max(NORMAL_MS, NORMAL_TIMES * before_ms)
    due = sorted(exchanges, key=lambda each: each.intended_ns)
    last_ns = due[-1].intended_ns if due else 0
    for first in due:
        end_ns = first.intended_ns + WINDOW_S * 1e9
        if end_ns > last_ns:
            return None
        window = [each for each in due if first.intended_ns <= each.intended_ns < end_ns]
        slow = sum(each.end != "right" or each.latency_ms > limit_ms for each in window)
        if slow <= WINDOW_SHARE * len(window):
            return (first.intended_ns - since_ns) / 1e9
    return None


def _explain(family: str, seen: Seen) -> Words:
    asked, capacity, answered = seen.tally(_REQUESTS), seen.number("capacity_rps"), seen.number("answered_rps")
    p99, normal = seen.number("p99_ms"), seen.number("normal_s")
    option = choose_option(_OPTIONS, family)
    if seen.facts or capacity is None or answered is None:
        return Words("bad", "server ends", f"The overload ended it: {'; '.join(seen.facts)}.", option)
    declined = asked.details.get(_DECLINED, 0)
    rate = count(capacity.median)
    share = percent(asked.right / max(1, asked.all))
    waited = f"; one in a hundred of them after {seconds(p99.median / 1000)} or more" if p99 else ""
    said = [
        f"At twice its capacity of {rate} requests/s it answered {share}, where half is possible{waited}.",
        *([f"{percent(declined / asked.all)} were told 503 at once."] if declined else []),
        *([f"{percent(asked.unanswered / asked.all)} got no answer within 5 s."] if asked.unanswered else []),
        *([f"{percent(asked.refused / asked.all)} were refused."] if asked.refused else []),
        *([f"{count(asked.reset)} were reset."] if asked.reset else []),
    ]
    if normal is None:
        said.append(f"{AFTER_S:g} s later it was not as before: one peak is enough to keep users waiting.")
        return Words("bad", "not normal after", " ".join(said), option)
    said.append(f"Afterwards it was as before within {seconds(normal.median)}.")
    cell = f"{share} answered"
    if answered.median < HALF * capacity.median:
        said.append("It works for clients that have left: less than half of its capacity is of use to anybody.")
        return Words("bad", cell, " ".join(said), option)
    if asked.unanswered or asked.reset or (p99 and p99.median > PROMPT_MS):
        said.append("All wait for what it cannot do; a limit that turns some away at once keeps the others quick.")
        return Words("fair", cell, " ".join(said), option)
    return Words("good", cell, " ".join(said))


DRILL = Drill(
    "overload",
    "Overload",
    f"A closed loop of {USERS} users finds the capacity of one worker. Then a quarter of it is asked for all the time, "
    f"and for {OVERLOAD_S:g} s twice of it. Counted: the requests due in these, and the time until others are answered "
    "as before.",
    (
        Figure("capacity_rps", "capacity", "/s", charted=True),
        Figure("answered_rps", "answered in the overload", "/s", charted=True),
        Figure("before_ms", "p99 before", "ms"),
        Figure("p99_ms", "p99 in the overload", "ms"),
        Figure("normal_s", "until normal again"),
    ),
    _run,
    _explain,
    order=7,
)

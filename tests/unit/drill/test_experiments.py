"""What drills say of what they saw."""

from __future__ import annotations

import pytest

from harness.catalog import listing
from harness.drill.experiments import graceful_stop, recycling, rolling_reload, worker_killed
from harness.drill.model import Drill, Grade, Observation, Seen, Tally
from harness.drill.runner import drills

FLIGHT, STOP = "in flight at SIGTERM", "due until the end"
AT_KILL, UNTIL_AGAIN = "in flight at the kill", "due until all answer again"
RELOAD = "in flight at SIGHUP, or due until it is over"
RECYCLE = "due until every worker has been replaced once"


def stop(end_s: float | None, in_flight: Tally, after: Tally) -> Observation:
    return Observation((in_flight, after), {} if end_s is None else {"end_s": end_s}, ("ended with exit status 0",))


CASES: list[tuple[Drill, Observation, Grade, str, str]] = [
    (graceful_stop.DRILL, stop(1.0, Tally(FLIGHT, right=10), Tally(STOP, refused=90)), "good", "0 lost, 1.00 s", "ref"),
    (graceful_stop.DRILL, stop(12.0, Tally(FLIGHT, right=1), Tally(STOP)), "fair", "0 lost, 12.0 s", "Docker kills it"),
    (
        graceful_stop.DRILL,
        stop(30.5, Tally(FLIGHT, right=1), Tally(STOP)),
        "fair",
        "0 lost, 30.5 s",
        "Docker and Kubernetes kill it",
    ),
    (
        graceful_stop.DRILL,
        stop(0.2, Tally(FLIGHT, right=1, reset=9), Tally(STOP, reset=3, details={"new connection reset": 3})),
        "bad",
        "12 lost, 200 ms",
        "9 reset of the 10 in flight at SIGTERM, and 3 reset of those that came later; it took 200 ms to end. 3 of",
    ),
    (graceful_stop.DRILL, stop(None, Tally(FLIGHT), Tally(STOP)), "bad", "does not end", "it has to be killed"),
    (
        worker_killed.DRILL,
        Observation(
            (Tally(AT_KILL, right=5, reset=5, details={"kept connection closed": 5}), Tally(UNTIL_AGAIN, right=60)),
            {"again_s": 0.3},
        ),
        "good",
        "5 lost, 300 ms",
        "5 requests died with their worker, as they must, and no others",
    ),
    (
        worker_killed.DRILL,
        Observation((Tally(AT_KILL), Tally(UNTIL_AGAIN, unanswered=4)), {"again_s": 0.3}),
        "bad",
        "4 lost, 300 ms",
        "and 4 others",
    ),
    (
        worker_killed.DRILL,
        Observation((), {"again_s": 8.0}),
        "fair",
        "0 lost, 8.00 s",
        "others have to do its work",
    ),
    (worker_killed.DRILL, Observation(), "bad", "not replaced", "within 40 s"),
    (
        worker_killed.DRILL,
        Observation((), {}, ("the whole server ended with exit status 1",)),
        "bad",
        "server ends",
        "takes the whole server down",
    ),
    (
        rolling_reload.DRILL,
        Observation((Tally(RELOAD, right=9),), {"reload_s": 2.0, "p99_ms": 9.0}),
        "good",
        "0 lost, 2.00 s",
        "do not notice",
    ),
    (
        rolling_reload.DRILL,
        Observation((Tally(RELOAD, right=9),), {"reload_s": 2.0, "p99_ms": 900.0}),
        "fair",
        "0 lost, 2.00 s, pauses",
        "1 request in 100 waited 900 ms or longer",
    ),
    (
        rolling_reload.DRILL,
        Observation((Tally(RELOAD, right=8, refused=1, reset=1),), {"reload_s": 2.0, "p99_ms": 9.0}),
        "bad",
        "2 lost, 2.00 s",
        "Lost: 1 reset, 1 refused of 10 requests in 1 reload",
    ),
    (rolling_reload.DRILL, Observation((Tally(RELOAD),)), "bad", "not replaced", "old code goes on serving"),
    (rolling_reload.DRILL, Observation((), {}, ("the server ended",)), "bad", "server ends", "SIGHUP ended the server"),
    (recycling.DRILL, Observation((Tally(RECYCLE, right=9),), {"replaced_s": 5.0}), "good", "0 lost", "do not notice"),
    (
        recycling.DRILL,
        Observation((Tally(RECYCLE, right=9, unanswered=2),), {"replaced_s": 5.0, "p99_ms": 4_900.0}),
        "bad",
        "2 lost",
        "2 unanswered of 11 requests",
    ),
    (
        recycling.DRILL,
        Observation((Tally(RECYCLE, right=9),), {"replaced_s": 5.0, "p99_ms": 4_900.0}),
        "fair",
        "0 lost, pauses",
        "waited 4.90 s or longer",
    ),
    (recycling.DRILL, Observation((Tally(RECYCLE, right=9),)), "bad", "not replaced", "not every worker was new"),
    (recycling.DRILL, Observation((), {}, ("the server ended",)), "bad", "server ends", "the whole server ended"),
]


@pytest.mark.parametrize(("drill", "observation", "grade", "cell", "meaning"), CASES)
def test_words(drill: Drill, observation: Observation, grade: Grade, cell: str, meaning: str) -> None:
    words = drill.explain("uvicorn", Seen([observation]))
    assert (words.grade, words.cell) == (grade, cell)
    assert meaning in words.meaning
    assert bool(words.option) is (grade != "good")


def test_losses_are_those_of_one_repetition_and_pauses_those_of_the_worst() -> None:
    observations = [
        Observation((Tally(RELOAD, right=9, refused=refused),), {"reload_s": 2.0, "p99_ms": p99_ms})
        for refused, p99_ms in ((0, 9.0), (3, 800.0), (1, 7.0))
    ]
    words = rolling_reload.DRILL.explain("hypercorn", Seen(observations))
    assert words.cell == "0 to 3 lost, 2.00 s"
    assert "none, 4 refused of 31 requests in 3 reloads" in words.meaning
    assert "1 request in 100 waited 800 ms or longer in the worst of 3 reloads" in words.meaning


@pytest.mark.parametrize("drill", [graceful_stop.DRILL, worker_killed.DRILL], ids=lambda drill: drill.name)
def test_a_server_that_nothing_is_known_of_gets_words_too(drill: Drill) -> None:
    assert drill.explain("tomorrow", Seen([Observation()])).option == "not known for tomorrow: see its documentation"


def test_each_drill_has_a_name_of_its_own_and_its_module_says_what_it_does() -> None:
    names = [drill.name for drill in drills()]
    assert len(set(names)) == len(names) >= 4
    assert all(drill.procedure.endswith(".") for drill in drills())


@pytest.mark.parametrize("drill", drills(), ids=lambda drill: drill.name)
def test_a_drill_explains_every_server_of_the_catalogue(drill: Drill) -> None:
    observation = Observation((), {figure.name: 0.1 for figure in drill.figures})
    for family in {server.requires[0].partition(">")[0] for server in listing.servers()}:
        if drill is recycling.DRILL and family not in recycling._RECYCLES:
            continue
        words = drill.explain(family, Seen([observation]))
        assert len(words.cell) <= 24
        assert words.meaning.endswith(".")

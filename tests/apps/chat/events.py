"""Readers of a room take what comes of an endless stream of events within 50 ms, and one in four says something."""

from harness.load import HttpScenario, Stream, as_tasks, get, post

EVENTS = Stream(events=20, seconds=0.05)


class Reader(HttpScenario):
    """The first event is there at once: the newest message of the room."""

    tasks = as_tasks(
        {
            get("/rooms/lobby/events", expected_type="text/event-stream", stream=EVENTS): 3,
            post("/rooms/lobby/messages", b'{"text": "moin"}', "application/json", status=201): 1,
        }
    )

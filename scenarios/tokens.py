"""GET /tokens/N: 50 events, 10 ms apart, as language models send them; every other time the reader leaves after 10."""

import time
from itertools import count
from random import randrange

from locust import task

from harness.load import Answer, HttpScenario, Stream, get

EVENTS, LEFT_AFTER = 50, 10
EVENT_STREAM = "text/event-stream"
WHOLE = b"".join(b"data: token %d\n\n" % number for number in range(EVENTS))
NOTICED_S = 0.2
"""So long after the reader has left, the app should have stopped; it would go on for 400 ms."""
_numbers = count(randrange(10**12))  # noqa: S311 - load processes number their streams differently


def _check_beginning(answer: Answer) -> str | None:
    return None if WHOLE.startswith(answer.body) else f"expected tokens from 0, found {answer.body[:80]!r}"


class Tokens(HttpScenario):
    """Reads a stream to its end, leaves another one, and asks whether the app still sends that."""

    @task
    def read(self) -> None:
        """Read one stream to its end and leave another; the name of the last request says what came of that one."""
        path = f"/tokens/{next(_numbers)}"
        self.send(get(path, name="whole stream", expected_type=EVENT_STREAM, expected_body=WHOLE, stream=Stream()))
        number = next(_numbers)
        limit = Stream(events=LEFT_AFTER)
        expected = {"expected_type": EVENT_STREAM, "check": _check_beginning}
        self.send(get(f"/tokens/{number}", name="left stream", stream=limit, **expected))
        time.sleep(NOTICED_S)
        progress = get(f"/sent/{number}", name="left stream: asked")
        found = self.ask(progress).json()
        end = "unknown" if found["sent"] is None else "still runs" if found["running"] else "has stopped"
        progress.name = f"left stream: {end}"
        self.send(progress)

"""What the processes of a block send each other; a single process sends these messages to itself."""

PREPARED = "harness_prepared"
"""From each load process: it can take users. Locust's own word for that comes before its plugins have begun."""
READY = "harness_ready"
"""From each load process: its users are connected. `right`: for each candidate, was the verification pass right?"""
SLICE = "harness_slice"
"""From the conductor: run a slice. `turn`, `cycle`, `lead_in_s`, `length_s`; `counted` is false in the warm-up."""
DONE = "harness_done"
"""From each load process: a slice is over. Numbers: `right`, `failed`, `hanging`; in the warm-up, `residence_us`.

`begun_ns` and `ended_ns`: when the message about the slice came, and when this one was sent, on its own clock.
"""
FINISH = "harness_finish"
"""From the conductor: there are no more slices. `right`: for each candidate, whether all processes found it right."""
RESULT = "harness_result"
"""From each load process at the end. `results`: a `LoadResult` for each turn, as JSON."""

HELLO = "harness_hello"
"""From a load worker of another host, before it is one of Locust's: it asks for work, again and again.

`worker`: a `LoadWorker`; `process`: the id of the process that asks; `ended`: how the one before it ended, if it was
not told to; `met`: has a master answered this worker before?
"""
ANSWER = "harness_answer"
"""To that worker. `do`: one of the four below."""
WAIT = "wait"
WORK = "work"
"""Become one of Locust's workers, with `argv`, `environment` and `files`."""
LEAVE = "leave"
"""It cannot take part; `why`."""
END = "end"
"""The run is over."""
HERE = "harness_here"
"""From a load worker that has become one of Locust's. `name`, `process`."""
PLACE = "harness_place"
"""To that worker, when all are there. `index`: its number among them."""

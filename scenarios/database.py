"""GET /queries/N, 128 users: three awaits of 1 to 5 ms one after the other, as a view that asks a database."""

from itertools import cycle

from locust import task

from harness.load import Answer, HttpScenario, Request, get

USERS = 128
QUERIES, SHORTEST_MS, LONGEST_MS = 3, 1, 5
SEEDS = 100
"""So many requests with different waits, which are the same under each server."""


def _make_request(seed: int) -> Request:
    def check(answer: Answer) -> str | None:
        found = answer.json()
        right = found["seed"] == seed and len(found["ms"]) == QUERIES
        right = right and all(SHORTEST_MS <= each <= LONGEST_MS for each in found["ms"])
        return None if right else f"expected seed {seed} and three times of 1 to 5 ms, found {found}"

    return get(f"/queries/{seed}", name="GET /queries/N", expected_type="application/json", check=check)


class Database(HttpScenario):
    """Requests one page after the other, each with waits of its own."""

    pages = cycle(map(_make_request, range(SEEDS)))

    @task
    def read(self) -> None:
        """Request the next page."""
        self.send(next(self.pages))

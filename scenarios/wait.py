"""GET /delay/10, 512 users: answers that wait for 10 ms, many in flight at a time and little work."""

from locust import task

from harness.load import Answer, HttpScenario, get

USERS = 512


def _check(answer: Answer) -> str | None:
    return None if answer.json() == {"ms": 10} else f"expected 10 ms, found {answer.json()}"


class Wait(HttpScenario):
    """Requests the same delayed answer repeatedly."""

    delayed = get("/delay/10", expected_type="application/json", check=_check)

    @task
    def read(self) -> None:
        """Send one request."""
        self.send(self.delayed)

"""GET /delay/10, 512 users: answers that wait for 10 ms, many in flight at a time and little work."""

from locust import task

from harness.load import HttpScenario, get

USERS = 512


class Wait(HttpScenario):
    """Requests the same delayed answer repeatedly."""

    delayed = get("/delay/10", expected_body=b'{"ms": 10}', expected_type="application/json")

    @task
    def read(self) -> None:
        """Send one request."""
        self.send(self.delayed)

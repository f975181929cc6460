"""GET /plaintext beside 10,000 connections that carry nothing."""

from locust import task

from harness.load import HttpScenario, get


class Hold(HttpScenario):
    """Sends the same request repeatedly, beside connections that send none."""

    idle_connections = 10_000
    hello = get("/plaintext", expected_body=b"Hello, World!", expected_type="text/plain")

    @task
    def read(self) -> None:
        """Send one request."""
        self.send(self.hello)

"""GET /plaintext: 13 bytes; almost all the work is the server's."""

from locust import task

from harness.load import HttpScenario, get


class Plaintext(HttpScenario):
    """Requests the same small text repeatedly."""

    hello = get("/plaintext", expected_body=b"Hello, World!", expected_type="text/plain")

    @task
    def read(self) -> None:
        """Request one text."""
        self.send(self.hello)

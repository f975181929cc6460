"""GET /plaintext: thirteen bytes, what the server itself costs."""

from locust import task

from harness.load import HttpScenario, get


class Plaintext(HttpScenario):
    """Asks for the same small text, over and over."""

    hello = get("/plaintext", expected_body=b"Hello, World!", expected_type="text/plain")

    @task
    def read(self) -> None:
        """One small answer."""
        self.send(self.hello)

"""POST /echo: ten kibibytes there and back."""

from locust import task

from harness.load import HttpScenario, post

BODY = bytes(index % 251 for index in range(10 * 1024))
"""A prime period, so that a lost or swapped block shows."""


class Echo(HttpScenario):
    """Sends the same body, over and over, and wants it back."""

    body = post("/echo", BODY, "application/octet-stream", expected_body=BODY, expected_type="application/octet-stream")

    @task
    def echo(self) -> None:
        """One body there and back."""
        self.send(self.body)

"""POST /echo: a body of 10 KiB is sent and returned."""

from locust import task

from harness.load import HttpScenario, post

BODY = bytes(index % 251 for index in range(10 * 1024))
"""The period is prime, so that a lost or swapped block changes the bytes."""


class Echo(HttpScenario):
    """Sends the same body repeatedly and expects it back."""

    body = post("/echo", BODY, "application/octet-stream", expected_body=BODY, expected_type="application/octet-stream")

    @task
    def echo(self) -> None:
        """Send one body."""
        self.send(self.body)

"""GET /stream/16: sixteen chunks of a kibibyte, sent one by one."""

from locust import task

from harness.load import HttpScenario, get

CHUNKS = 16
BODY = b"".join(str(number).encode().ljust(1023, b".") + b"\n" for number in range(CHUNKS))


class Stream(HttpScenario):
    """Asks for the same stream, over and over."""

    chunks = get(f"/stream/{CHUNKS}", expected_body=BODY, expected_type="text/plain")

    @task
    def read(self) -> None:
        """One stream, whole."""
        self.send(self.chunks)

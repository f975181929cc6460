"""GET /stream/16: 16 chunks of 1 KiB, sent one by one."""

from locust import task

from harness.load import HttpScenario, get

CHUNKS = 16
BODY = b"".join(str(number).encode().ljust(1023, b".") + b"\n" for number in range(CHUNKS))


class Stream(HttpScenario):
    """Requests the same stream repeatedly."""

    chunks = get(f"/stream/{CHUNKS}", expected_body=BODY, expected_type="text/plain")

    @task
    def read(self) -> None:
        """Request one stream."""
        self.send(self.chunks)

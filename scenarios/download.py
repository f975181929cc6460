"""GET of 1 MiB, 8 users: as one body, and as a stream of 16 chunks."""

from locust import task

from harness.load import HttpScenario, get

USERS = 8
CHUNKS = 16
SIZE = CHUNKS * 64 * 1024
PATTERN = bytes(range(251))
WHOLE = (PATTERN * (SIZE // 251 + 1))[:SIZE]
STREAM = WHOLE[: SIZE // CHUNKS] * CHUNKS


class Download(HttpScenario):
    """Reads both, one after the other."""

    body = get(f"/bytes/{SIZE}", expected_body=WHOLE, name="one body")
    stream = get(f"/blocks/{CHUNKS}", expected_body=STREAM, name="stream")

    @task
    def download(self) -> None:
        """Read both."""
        self.send(self.body)
        self.send(self.stream)

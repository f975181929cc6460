"""GET /file, 8 users: a file of 1 MiB, by its path where the server sends files so, else in 16 chunks."""

from locust import task

from harness.load import HttpScenario, get

USERS = 8
CHUNKS = 16
BLOCK = (bytes(range(251)) * 262)[: 64 * 1024]


class File(HttpScenario):
    """Reads the same file repeatedly."""

    file = get("/file", expected_body=BLOCK * CHUNKS)

    @task
    def read(self) -> None:
        """Read the file."""
        self.send(self.file)

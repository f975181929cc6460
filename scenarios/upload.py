"""POST /digest, 8 users: 1 MiB in, and its digest out."""

from hashlib import sha256

from locust import task

from harness.load import Answer, HttpScenario, post

USERS = 8
BODY = bytes(range(256)) * 4096
EXPECTED = {"bytes": len(BODY), "sha256": sha256(BODY).hexdigest()}


def _check(answer: Answer) -> str | None:
    return None if answer.json() == EXPECTED else f"expected {EXPECTED}, found {answer.json()}"


class Upload(HttpScenario):
    """Sends the same body repeatedly."""

    body = post("/digest", BODY, "application/octet-stream", expected_type="application/json", check=_check)

    @task
    def upload(self) -> None:
        """Send one body."""
        self.send(self.body)

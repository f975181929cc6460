"""GET /page: a page that is another one each time, compressed with gzip."""

from typing import Any

from locust import task

from harness.load import Answer, HttpScenario, get

ITEMS = [{"id": number, "name": f"item {number}", "price": number * 37 % 101} for number in range(100)]


class Gzip(HttpScenario):
    """Requests the page repeatedly, and sees that it is a new one."""

    last: str | None = None

    @task
    def read(self) -> None:
        """Request one page."""
        answer = self.send(
            get("/page", headers=(("accept-encoding", "gzip"),), expected_type="application/json", check=self._check)
        )
        self.last = answer.json()["request"]

    def _check(self, answer: Answer) -> str | None:
        if answer.header("content-encoding") != "gzip":
            return f"expected content-encoding gzip, found {answer.header('content-encoding')}"
        found: dict[str, Any] = answer.json()
        if found["items"] != ITEMS:
            return f"expected 100 items, found {found['items']!r:.80}"
        return None if found["request"] != self.last else f"expected a new request id, found {self.last} again"

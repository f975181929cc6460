"""GET /session: visits that a signed cookie counts, which every answer changes, as it does the request id."""

from locust import task

from harness.load import Answer, HttpScenario, get

VISITS = 10


class Cookies(HttpScenario):
    """Begins a session, visits ten times, and forgets it."""

    last: str | None = None

    @task
    def visit(self) -> None:
        """Send ten requests, each with the cookie of the answer before."""
        cookie: tuple[tuple[str, str], ...] = ()
        for number in range(1, VISITS + 1):
            self.expected = {"visits": number}
            answer = self.send(get("/session", headers=cookie, expected_type="application/json", check=self._check))
            self.last = answer.header("x-request-id")
            cookie = (("cookie", str(answer.header("set-cookie")).partition(";")[0]),)

    def _check(self, answer: Answer) -> str | None:
        if answer.json() != self.expected:
            return f"expected {self.expected}, found {answer.json()}"
        if answer.header("set-cookie") is None:
            return "expected a set-cookie header, found none"
        found = answer.header("x-request-id")
        return None if found not in {None, self.last} else f"expected a new x-request-id, found {found}"

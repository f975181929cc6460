"""GET /json: a small object, serialised for each request."""

from locust import task

from harness.load import Answer, HttpScenario, get


def _right(answer: Answer) -> str | None:
    found = answer.json()
    expected = {"message": "Hello, World!"}
    return None if found == expected else f"expected {expected}, found {found}"


class Json(HttpScenario):
    """Requests the same small object repeatedly; white space in it may differ between apps."""

    message = get("/json", expected_type="application/json", check=_right)

    @task
    def read(self) -> None:
        """Request one object."""
        self.send(self.message)

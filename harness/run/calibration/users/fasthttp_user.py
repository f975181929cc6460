"""Locust's FastHttpUser with the smallest request: a reference generator for our engine."""

from locust import FastHttpUser, task


class Plaintext(FastHttpUser):
    """A user as in Locust's documentation, with the answer checked."""

    @task
    def read(self) -> None:
        """Request one small answer."""
        with self.client.get("/plaintext", catch_response=True) as answer:
            if answer.status_code != 200 or answer.content != b"Hello, World!":  # noqa: PLR2004 - 200 OK
                answer.failure("wrong answer")

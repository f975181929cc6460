"""Locust's own fast HTTP user at the smallest exchange: what our engine is compared with."""

from locust import FastHttpUser, task


class Plaintext(FastHttpUser):
    """As Locust's documentation would write it, with the answer checked."""

    @task
    def read(self) -> None:
        """One small answer."""
        with self.client.get("/plaintext", catch_response=True) as answer:
            if answer.status_code != 200 or answer.content != b"Hello, World!":  # noqa: PLR2004 - the status of right
                answer.failure("wrong answer")

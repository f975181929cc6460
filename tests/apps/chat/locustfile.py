"""Members who write a message and read their room, with Locust's own users."""

from locust import FastHttpUser, task


class Member(FastHttpUser):
    """Reads three times as often as it writes."""

    @task(3)
    def read(self) -> None:
        self.client.get("/rooms/lobby", name="/rooms/{room}")

    @task
    def say(self) -> None:
        self.client.post("/rooms/lobby/messages", json={"text": "moin"}, name="/rooms/{room}/messages")

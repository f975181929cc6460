"""WebSocket /ws/broadcast: each message is sent to all; each member sees that none is lost."""

from locust import task

from harness.load import Answer, Message, WebSocketScenario


class Broadcast(WebSocketScenario):
    """Says something, and awaits that it is heard; what others say arrives beside it."""

    path = "/ws/broadcast"
    seen = 0

    def is_push(self, answer: Answer) -> bool:
        """Is it another's message? The app numbers what it sends on a connection; a new connection begins with 1."""
        number, _, text = answer.body.partition(b" ")
        if int(number) not in {self.seen + 1, 1}:
            raise ValueError(f"expected message {self.seen + 1}, found {answer.body[:80]!r}")
        self.seen = int(number)
        return text != answer.sent

    said = Message(b"{unique}", text=True, name="said to all")

    @task
    def say(self) -> None:
        """Say something that nobody else says."""
        self.send(self.said)

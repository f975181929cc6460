"""Members of a room: each says something new, and hears it among all that the others say."""

from locust import task

from harness.load import Message, WebSocketScenario

PROTOCOLS = ("ws",)


class Member(WebSocketScenario):
    """Everybody is in the same room."""

    path = "/rooms/lobby/ws"
    subprotocols = ("chat.v1",)
    greeting = Message(text=True, check=lambda answer: None if answer.json()["type"] == "welcome" else "no welcome")
    moin = Message(b'{"text": "moin {unique}"}', text=True, name="say")

    def is_push(self, answer):
        """What others say; one's own words are the answer."""
        heard = answer.json()
        return heard["type"] == "message" and heard["text"].encode() not in answer.sent

    @task
    def say(self):
        """Say something that nobody has said before."""
        self.send(self.moin)

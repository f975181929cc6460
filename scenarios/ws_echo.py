"""WebSocket /ws/echo: a short text message is sent and returned."""

from locust import task

from harness.load import Message, WebSocketScenario

PROTOCOLS = ("ws", "ws-tls")


class WsEcho(WebSocketScenario):
    """Sends the same message repeatedly on one connection."""

    path = "/ws/echo"
    hello = Message(b"Hello, World!", text=True, expected_body=b"Hello, World!", name="echo")

    @task
    def echo(self) -> None:
        """Send one message."""
        self.send(self.hello)

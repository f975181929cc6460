"""WebSocket /ws/echo: a short text message there and back."""

from locust import task

from harness.load import Message, WebSocketScenario

PROTOCOLS = ("ws", "ws-tls")


class WsEcho(WebSocketScenario):
    """Says the same thing, over and over, on one connection."""

    path = "/ws/echo"
    hello = Message(b"Hello, World!", text=True, expected_body=b"Hello, World!", name="echo")

    @task
    def echo(self) -> None:
        """One message there and back."""
        self.send(self.hello)

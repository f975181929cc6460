"""WebSocket /ws/echo beside 10,000 WebSockets that say nothing."""

from locust import task

from harness.load import Message, WebSocketScenario


class WsHold(WebSocketScenario):
    """Sends the same message repeatedly, beside WebSockets that send none."""

    idle_connections = 10_000
    path = "/ws/echo"
    hello = Message(b"Hello, World!", text=True, expected_body=b"Hello, World!", name="echo")

    @task
    def echo(self) -> None:
        """Send one message."""
        self.send(self.hello)

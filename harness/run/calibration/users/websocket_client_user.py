"""A Locust user with websocket-client, the usual way to load WebSockets: a reference generator for our engine."""

import time

from locust import User, task
from websocket import create_connection


class Echo(User):
    """Echoes messages and reports them to Locust as in its documentation."""

    def on_start(self) -> None:
        """Connect."""
        assert self.host is not None
        self.connection = create_connection(self.host.replace("http", "ws", 1) + "/ws/echo")

    def on_stop(self) -> None:
        """Disconnect."""
        self.connection.close()

    @task
    def echo(self) -> None:
        """Send one message and receive it back."""
        began = time.perf_counter()
        self.connection.send("Hello, World!")
        answer = self.connection.recv()
        self.environment.events.request.fire(
            request_type="WS",
            name="echo",
            response_time=(time.perf_counter() - began) * 1000,
            response_length=len(answer),
            exception=None if answer == "Hello, World!" else ValueError("wrong answer"),
            context={},
        )

"""GET /plaintext on connections that close after 10 requests; TLS handshakes are full and resumed in turn."""

from locust import task

from harness.load import HttpScenario, get

HELLO = b"Hello, World!"
REQUESTS = 10
RESUMES = {"h1-tls", "h2"}
"""Over these protocols, every other connection offers to take up the TLS session of the one before."""


class Churn(HttpScenario):
    """Comes, sends ten requests, and goes; the first request of a connection is counted apart."""

    first = get("/plaintext", expected_body=HELLO, name="first of a connection")
    first_resuming = get("/plaintext", expected_body=HELLO, name="first of a connection, TLS session offered again")
    next = get("/plaintext", expected_body=HELLO, name="next of a connection")

    @task
    def come_and_go(self) -> None:
        """Use two connections."""
        for first in (self.first, self.first_resuming if self.protocol in RESUMES else self.first):
            self.disconnect(resume=first is self.first_resuming)
            self.send(first)
            for _ in range(REQUESTS - 1):
                self.send(self.next)

"""The HTTP/3 client on real sockets: a server that is right, refuses, stays silent or closes, and users that leave."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import gevent
import pytest
import trustme

from harness.load import http3
from harness.load.account import Account
from harness.load.exchange import Answer, Failure, get, post
from harness.load.http3 import Http3Client, Pool
from harness.load.transport import Endpoint
from tests.integration.stream_clients import echoed, together

HOST = "127.0.0.1"
SERVER = Path(__file__).with_name("faulty_http3_server.py")


@dataclass
class Servers:
    faulty: Endpoint
    idle: Endpoint
    other: Endpoint
    authority: Path

    def clients(self, account: Account, count: int = 1, endpoint: Endpoint | None = None) -> list[Http3Client]:
        """All on one connection."""
        pool = Pool(endpoint or self.faulty, account, count, self.authority)
        users = [pool.client() for _ in range(count)]
        for user in users:
            user.open()
        return users


def free_udp_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    folder = tmp_path_factory.mktemp("tls")
    authority, certificate, key = (folder / name for name in ("authority.pem", "certificate.pem", "key.pem"))
    issuer = trustme.CA()
    issued = issuer.issue_cert(HOST)  # and not for localhost, by which a test connects
    issuer.cert_pem.write_to_path(str(authority))
    issued.cert_chain_pems[0].write_to_path(str(certificate))
    issued.private_key_pem.write_to_path(str(key))
    ports = [free_udp_port() for _ in range(3)]
    argv = [sys.executable, str(SERVER), str(certificate), str(key), *map(str, ports)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        yield Servers(*(Endpoint(HOST, port) for port in ports), authority)
        process.kill()


def wait_until_closed(client: Http3Client) -> None:
    """Wait until the client knows that its connection has ended."""
    connection = client._group.connection
    assert connection is not None
    with gevent.Timeout(60):
        while connection.streams.usable:
            gevent.sleep(0.01)


def wait_until_pending(*clients: Http3Client) -> None:
    """Let the users run until each of them waits for an answer."""
    with gevent.Timeout(60):
        while not all(client.pending_since_ns for client in clients):
            gevent.sleep(0)


def test_users_share_connections_as_configured_and_get_their_right_answers(servers: Servers) -> None:
    account = Account()

    def use(client: Http3Client, user: int) -> None:
        client.open()
        for number in range(10):
            client.exchange(echoed(f"/{user}/{number}"))
        client.exchange(post(f"/{user}", bytes(100_000), "text/plain", expected_body=f"/{user}".encode()))

    pool = Pool(servers.faulty, account, 2, servers.authority)
    users = [pool.client() for _ in range(4)]
    together(*(gevent.spawn(use, client, user) for user, client in enumerate(users)))
    for client in users:
        client.close()
    recorded, failures = account.take()
    assert failures == []
    assert account.started == sum(each.batch.ended.size for each in recorded) == 4 * 11
    assert (account.opened, account.reopened, account.resent) == (2, 0, 0)
    assert account.negotiated == "TLSv1.3 h3"


def test_an_interim_answer_and_trailers_are_ignored(servers: Servers) -> None:
    (client,) = servers.clients(Account())
    assert client.exchange(echoed("/decorated")) == Answer(200, (("x-kept", "yes"),), b"/decorated")


def test_a_wrong_answer_fails_every_time(servers: Servers) -> None:
    account = Account()
    (client,) = servers.clients(account)
    for _ in range(2):
        with pytest.raises(Failure, match=r"^body: expected '/wrong!', found '/right\?'$"):
            client.exchange(get("/wrong", expected_body=b"/wrong!"))
    assert (account.failed, account.opened) == (2, 1)


def test_a_stream_that_the_server_resets_has_failed_and_the_connection_goes_on(servers: Servers) -> None:
    account = Account()
    (client,) = servers.clients(account)
    with pytest.raises(Failure, match=r"^reset: H3_INTERNAL_ERROR$"):
        client.exchange(get("/reset"))
    client.exchange(echoed("/"))
    assert (account.failed, account.resent, account.opened) == (1, 0, 1)


def test_a_request_that_is_rejected_is_an_error(servers: Servers) -> None:
    account = Account()
    (client,) = servers.clients(account)
    with pytest.raises(Failure, match=r"^reset: H3_REQUEST_REJECTED$"):
        client.exchange(get("/reject"))
    assert (account.failed, account.resent, account.opened) == (1, 0, 1)


def test_an_answer_that_the_server_breaks_off_has_failed_and_so_has_what_was_in_flight(servers: Servers) -> None:
    account = Account()
    waiting, breaking = servers.clients(account, 2)
    late = gevent.spawn(waiting.exchange, get("/silent"))
    wait_until_pending(waiting)
    ended = r"^reset: H3_INTERNAL_ERROR \(sorry\) before the answer was complete$"
    with pytest.raises(Failure, match=ended):
        breaking.exchange(get("/break-off"))
    with pytest.raises(Failure, match=ended):
        together(late)
    breaking.exchange(echoed("/"))
    assert (account.started, account.failed, account.opened, account.reopened) == (3, 2, 2, 1)


def test_a_body_shorter_than_its_length_has_failed(servers: Servers) -> None:
    account = Account()
    (client,) = servers.clients(account)
    with pytest.raises(Failure, match="content-length does not match data size"):
        client.exchange(get("/short"))
    client.exchange(echoed("/"))
    assert (account.failed, account.opened, account.reopened) == (1, 2, 1)


def test_a_connection_that_the_server_left_is_opened_again(servers: Servers) -> None:
    account = Account()
    (client,) = servers.clients(account)
    for path in ("/leave", "/leave", "/"):
        client.exchange(echoed(path))
        if path == "/leave":  # a request that is sent before the end arrives is lost
            wait_until_closed(client)
    assert (account.failed, account.opened, account.reopened) == (0, 3, 2)


def test_after_goaway_a_new_connection_is_opened_when_the_old_one_has_answered(servers: Servers) -> None:
    account = Account()
    (client,) = servers.clients(account)
    for path in ("/go-away", "/go-away", "/"):
        client.exchange(echoed(path))
    assert (account.failed, account.opened, account.reopened, account.resent) == (0, 3, 2, 0)


def test_what_a_goaway_leaves_unprocessed_is_sent_again(servers: Servers) -> None:
    account = Account()
    (client,) = servers.clients(account)
    client.exchange(echoed("/refuse-once/a"))
    assert (account.failed, account.opened, account.reopened, account.resent) == (0, 2, 1, 1)


def test_a_connection_that_died_idle_is_opened_again(servers: Servers) -> None:
    account = Account()
    (client,) = servers.clients(account, endpoint=servers.idle)
    client.exchange(echoed("/"))
    wait_until_closed(client)
    client.exchange(echoed("/"))
    assert (account.failed, account.opened, account.reopened) == (0, 2, 1)


def test_a_user_who_is_killed_while_waiting_breaks_nothing(servers: Servers) -> None:
    account = Account()
    killed, other = servers.clients(account, 2)
    waiting = gevent.spawn(killed.exchange, get("/silent"))
    wait_until_pending(killed)
    waiting.kill()
    other.exchange(get("/count-cancelled", expected_body=b"1"))
    assert killed.pending_since_ns == 0
    killed.exchange(echoed("/"))
    assert (account.failed, account.abandoned, account.opened) == (0, 1, 1)


def test_after_a_timeout_the_watcher_and_the_user_go_on(servers: Servers) -> None:
    account = Account()
    (client,) = servers.clients(account)
    waiting = gevent.spawn(client.exchange, get("/silent"))
    wait_until_pending(client)
    client.give_up(Failure("timeout", "too late"))
    client.give_up(Failure("timeout", "given up already"))
    with pytest.raises(Failure, match=r"^timeout: too late$"):
        together(waiting)
    client.exchange(get("/count-cancelled", expected_body=b"1"))
    client.give_up(Failure("timeout", "nothing in flight"))
    assert (account.failed, account.opened) == (1, 1)


def test_the_last_user_to_leave_closes_the_connection(servers: Servers) -> None:
    account = Account()
    first, last = servers.clients(account, 2)
    first.close()
    last.exchange(echoed("/"))
    last.close()
    last.close()
    last.open()
    last.exchange(echoed("/"))
    assert (account.failed, account.opened, account.reopened) == (0, 2, 0)


def test_a_certificate_of_another_authority_is_refused(servers: Servers, tmp_path: Path) -> None:
    stranger = tmp_path / "authority.pem"
    trustme.CA().cert_pem.write_to_path(str(stranger))
    client = Pool(servers.faulty, Account(), 1, stranger).client()
    with pytest.raises(Failure, match=r"^connect: QUIC handshake: TLS alert 42 \(unable to get local issuer"):
        client.open()


def test_a_server_of_another_name_is_refused(servers: Servers) -> None:
    client = Pool(Endpoint("localhost", servers.faulty.port), Account(), 1, servers.authority).client()
    with pytest.raises(Failure, match=r"^connect: QUIC handshake: TLS alert 42 \(hostname 'localhost' doesn't match"):
        client.open()


def test_a_server_without_http3_is_recognised(servers: Servers) -> None:
    client = Pool(servers.other, Account(), 1, servers.authority).client()
    with pytest.raises(Failure, match=r"^connect: QUIC handshake: TLS alert 120 \(No common ALPN protocols\)$"):
        client.open()


def test_no_server_at_all(servers: Servers) -> None:
    account = Account()
    client = Pool(Endpoint(HOST, free_udp_port()), account, 1, servers.authority).client()
    with pytest.raises(Failure, match=r"^connect: .*Connection refused$"):
        client.open()
    with pytest.raises(Failure, match=r"^connect: "):
        client.exchange(get("/"))
    assert (account.failed, account.opened) == (1, 0)


def test_a_server_that_says_nothing_is_given_up_after_the_timeout(
    servers: Servers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http3, "CONNECT_TIMEOUT_S", 0.05)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as mute:
        mute.bind((HOST, 0))
        client = Pool(Endpoint(HOST, mute.getsockname()[1]), Account(), 1, servers.authority).client()
        with pytest.raises(Failure, match=r"^connect: QUIC handshake: timed out$"):
            client.open()


def test_without_aioquic_a_trial_ends_in_one_line() -> None:
    scenario = Path(__file__).parents[2] / "scenarios" / "plaintext.py"
    hidden = "import sys; sys.modules['aioquic'] = None; from locust.main import main; main()"
    argv = [
        "--headless",
        "-f",
        str(scenario),
        "-H",
        f"https://{HOST}:1",
        "--harness-protocol",
        "h3",
        "--loglevel",
        "WARNING",
    ]
    ended = subprocess.run(
        [sys.executable, "-c", hidden, *argv], capture_output=True, text=True, check=False, timeout=60
    )
    assert ended.returncode == 1
    (line,) = ended.stderr.strip().splitlines()
    assert line.startswith("--harness-protocol h3: expected aioquic, found ")
    assert line.endswith("pip install aioquic")

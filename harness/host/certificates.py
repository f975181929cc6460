"""The certificate that servers use for TLS; every run makes a new one."""

from __future__ import annotations

import ssl
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import trustme

from harness.host import guard
from harness.model.targets import HOST, Tls

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from harness.model.targets import RunsAt, Server


@contextmanager
def issue(servers: Iterable[Server] = (), address: str = HOST) -> Iterator[Tls]:
    """Make a certificate for the loopback address and `address`; its files are removed at the end of the block.

    Where any of the `servers` runs already and speaks TLS, clients trust what the system trusts as well, and what is
    named for these servers.
    """
    with guard.temporary_folder() as folder:
        authority = trustme.CA()
        certificate = authority.issue_cert(*dict.fromkeys((HOST, "localhost", address)))
        tls = Tls(folder / "server.pem", folder / "server.key", folder / "authority.pem")
        authority.cert_pem.write_to_path(str(tls.authority))
        for path in _list_trusted([server.runs_at for server in servers if server.runs_at and server.runs_at.tls]):
            with tls.authority.open("ab") as file:
                file.write(path.read_bytes() + b"\n")
        tls.key.touch(mode=0o600)
        certificate.private_key_pem.write_to_path(str(tls.key))
        for blob in certificate.cert_chain_pems:
            blob.write_to_path(str(tls.certificate), append=True)
        yield tls


def _list_trusted(running: Sequence[RunsAt]) -> list[Path]:
    """The files of the system's certificates, and those that are named; none where no server needs them."""
    if not running:
        return []
    system = ssl.get_default_verify_paths()
    if system.cafile:
        files = [Path(system.cafile)]
    else:
        files = sorted(Path(system.capath).glob("*.[0-9]")) if system.capath else []
    return [*files, *(each.ca for each in running if each.ca is not None)]

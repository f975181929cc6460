"""The certificate that servers use for TLS; every run makes a new one."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import trustme

from harness.host import guard
from harness.model.targets import HOST, Tls

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def issue() -> Iterator[Tls]:
    """Make a certificate for the loopback address; its files are removed at the end of the block."""
    with guard.temporary_folder() as folder:
        authority = trustme.CA()
        certificate = authority.issue_cert(HOST, "localhost")
        tls = Tls(folder / "server.pem", folder / "server.key", folder / "authority.pem")
        authority.cert_pem.write_to_path(str(tls.authority))
        tls.key.touch(mode=0o600)
        certificate.private_key_pem.write_to_path(str(tls.key))
        for blob in certificate.cert_chain_pems:
            blob.write_to_path(str(tls.certificate), append=True)
        yield tls

"""A real sshd on a host of a test, and a way to it for the user of the test alone."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from tests.hosts.namespaces import Host

ROOT = Path(__file__).parents[2]
_PORT = 2222
_WITHIN_S = 60.0
_OWN = {"sshd", "unshare", "nsenter"}
"""What runs on a host for its sshd."""
_CONFIG = """\
Port {port}
ListenAddress {address}
HostKey {folder}/host
AuthorizedKeysFile {folder}/user.pub
PasswordAuthentication no
KbdInteractiveAuthentication no
UsePAM no
StrictModes no
PidFile none
SetEnv {variables}
"""
_CLIENT = """\
Host {address}
  IdentityFile {folder}/user
  IdentitiesOnly yes
  UserKnownHostsFile {folder}/known
"""


class Way:
    """How to reach a host by ssh."""

    def __init__(self, host: Host, folder: Path) -> None:
        self.host = host
        self.url = f"ssh://root@{host.address}:{_PORT}"
        self._folder = folder

    def environment(self, variables: Mapping[str, str] | None = None) -> dict[str, str]:
        """The environment of a command that finds ssh with the key of the test; variables of the user's own stay."""
        given = dict(os.environ if variables is None else variables)
        path = os.pathsep.join([str(self._folder / "bin"), given.get("PATH", os.defpath)])
        return {**given, "PATH": path, "PYTHONPATH": str(ROOT)}

    def list_processes(self) -> list[psutil.Process]:
        """What runs over there, beside sshd and its sessions."""
        network = Path(self.host.enter[1].partition("=")[2]).stat().st_ino
        return [each for each in psutil.process_iter() if is_in(each, network) and name_of(each) not in _OWN]

    def list_servers(self) -> list[psutil.Process]:
        """The servers of the catalogue among them."""
        return [each for each in self.list_processes() if f"--host {self.host.address}" in line_of(each)]

    def await_nothing(self, within_s: float) -> float:
        """Wait until nothing runs there any more; how long that took in s."""
        began_s = time.monotonic()
        while found := self.list_processes():
            assert time.monotonic() < began_s + within_s, found
            time.sleep(0.02)
        return time.monotonic() - began_s


def is_in(process: psutil.Process, network: int) -> bool:
    """Does it run in this network namespace? One that has ended does not."""
    try:
        own = Path(f"/proc/{process.pid}/ns/net").stat().st_ino
        return own == network and process.status() != psutil.STATUS_ZOMBIE
    except (OSError, psutil.Error):
        return False


def name_of(process: psutil.Process) -> str:
    try:
        return process.name()
    except psutil.Error:
        return ""


def line_of(process: psutil.Process) -> str:
    """Its command line."""
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


@contextmanager
def sshd_on(
    host: Host, folder: Path, variables: Mapping[str, str] | None = None, before: tuple[str, ...] = ()
) -> Iterator[Way]:
    """Run an sshd as long as the block lasts; skips the test where there is none. Its sessions have these variables.

    `before` is the start of a command that runs it.
    """
    program = shutil.which("sshd", path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin")
    if program is None:
        pytest.skip("servers on another host are reached by ssh, which takes an sshd (openssh-server)")
    Path("/run/sshd").mkdir(exist_ok=True)
    for name in ("host", "user"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)], check=True)
    key = " ".join((folder / "host.pub").read_text().split()[:2])
    (folder / "known").write_text(f"[{host.address}]:{_PORT} {key}\n")
    given = {"PYTHONPATH": str(ROOT), "HOME": str(folder), **(variables or {})}
    text = " ".join(f'"{name}={value}"' for name, value in given.items())
    values = {"port": _PORT, "address": host.address, "folder": folder, "variables": text}
    (folder / "sshd_config").write_text(_CONFIG.format(**values))
    (folder / "config").write_text(_CLIENT.format(**values))
    ssh = folder / "bin" / "ssh"
    ssh.parent.mkdir()
    ssh.write_text(f'#!/bin/sh\nexec {shutil.which("ssh")} -F {folder}/config "$@"\n')
    ssh.chmod(0o755)
    with (folder / "sshd.log").open("wb") as log:
        process = subprocess.Popen(
            [*host.enter, *before, program, "-D", "-e", "-f", str(folder / "sshd_config")], stderr=log
        )
    try:
        until_s = time.monotonic() + _WITHIN_S
        while b"Server listening" not in (said := (folder / "sshd.log").read_bytes()):
            if process.poll() is not None:
                pytest.skip(f"servers on another host are reached by ssh, and sshd did not start: {said!r}")
            assert time.monotonic() < until_s, said
            time.sleep(0.02)
        yield Way(host, folder)
    finally:
        process.kill()
        process.wait()

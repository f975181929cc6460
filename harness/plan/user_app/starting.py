"""Starts a user app to ask it for its document and for its answers, over TLS where it wants that."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.host import certificates, guard
from harness.model.errors import ServerError, UsageError
from harness.model.protocols import TLS_PROTOCOLS
from harness.plan.user_app.ask import wants_tls
from harness.plan.user_app.options import HTTP, name_app

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from harness.hosts.server_host import ServerHost
    from harness.model.protocols import Protocol
    from harness.model.targets import App, Launch, Server
    from harness.plan.settings import Settings


_SPEAK_TLS: frozenset[Protocol] = frozenset({"h1-tls", "h2"})
_CLEAR: frozenset[Protocol] = frozenset({"h1", "h2c"})
"""Servers that speak one of these answer HTTP/1.1 over TLS, too."""


@dataclass(frozen=True)
class Stage:
    """What all starts of the app have in common."""

    settings: Settings
    app: App
    python: str
    folder: Path
    say: Callable[[str], None]
    host: ServerHost

    def log_path(self, entry: Server) -> Path:
        return self.folder / f"{self.app.name}-{entry.name}.log"


@contextmanager
def start_app_as_wanted(stage: Stage, servers: Sequence[Server]) -> Iterator[tuple[Server, Launch]]:
    """Run the app over TLS if it is measured so only, or if it sends clients there; otherwise in clear text."""
    given, asked = stage.settings.protocols, HTTP & set(stage.settings.protocols)
    tls = {protocol for each in servers for protocol in asked & each.protocols} <= TLS_PROTOCOLS
    if not tls:
        with start_app(stage, servers, tls=False) as (entry, launch):
            if not wants_tls(launch, stage.app.ready_path, stage.app.headers):
                yield entry, launch
                return
        clear = ",".join(each for each in given if each in asked - TLS_PROTOCOLS)
        if not asked & TLS_PROTOCOLS:
            raise UsageError(
                f"--protocols: expected h1-tls or h2 for an app that sends clients to https://, found {clear}"
            )
        stage.say(f"{clear} left out, since the app sends clients to https://")
    with start_app(stage, servers, tls=True) as started:
        yield started


@contextmanager
def start_app(stage: Stage, servers: Sequence[Server], *, tls: bool) -> Iterator[tuple[Server, Launch]]:
    """Run the app under the first of these servers that starts with it, until the block ends."""
    faults = []
    with guard.guard() as token, ExitStack() as stack:
        certificate = stack.enter_context(certificates.issue(servers, stage.host.address)) if tls else None
        for entry in servers:
            if not (_SPEAK_TLS if tls else _CLEAR) & entry.protocols:
                faults.append(f"{entry.name}: does not speak HTTP/1.1 {'over TLS' if tls else 'in clear text'}")
                continue
            target = entry.target(stage.app) or stage.app.target
            launch = stage.host.make_launch(entry, target, 1, certificate, stage.python)
            log, within_s = stage.log_path(entry), stage.settings.ready_within
            try:
                stack.enter_context(
                    stage.host.start(entry, stage.app, launch, log=log, token=token, deadline_s=within_s)
                )
            except ServerError as error:
                faults.append(str(error))
                continue
            yield entry, launch
            return
    raise UsageError(f"--servers: expected one that starts with {name_app(stage.settings)}, found {'; '.join(faults)}")

"""Options that cannot be obeyed together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.model.errors import UsageError
from harness.model.link import NEAR
from harness.model.loads import Rate, Saturate, Sweep
from harness.plan.user_app import options

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from harness.model.targets import Server
    from harness.plan.settings import Settings


def check_settings(settings: Settings) -> None:
    """Raise `UsageError` for options that cannot be obeyed together."""
    _check_rounds(settings)
    _check_load(settings)
    options.check_options(settings)
    for name, tags in (("tags", settings.tags), ("exclude-tags", settings.exclude_tags)):
        if tags and settings.locustfile is None:
            raise UsageError(f"--{name}: expected --locustfile with it, found none")


def check_server_host(settings: Settings, revisions: Sequence[object]) -> None:
    """Raise `UsageError` for what an agent does not start."""
    if settings.server or settings.servers_from:
        option = "server" if settings.server else "servers-from"
        raise UsageError(f"--{option}: expected servers of `harness list` with --server-host, found others")
    if versions := [name for name in settings.servers if "@" in name]:
        raise UsageError(
            f"--servers: expected no versions with --server-host, found {versions[0]}; --server-python chooses one"
        )
    if revisions:
        raise UsageError("--server-host: expected one state of the app with it, found two revisions")


def check_network(settings: Settings) -> None:
    """Raise `UsageError` for a distance without a link that can have one, or for a link that is not there."""
    if settings.netns:
        for name in ("server_host", "load_workers", "interface"):
            if getattr(settings, name) is not None:
                raise UsageError(f"--netns: expected load and servers on this host, found --{name.replace('_', '-')}")
        return
    if settings.interface is None:
        for name, near in (("rtt", (NEAR.rtt_s,)), ("loss", NEAR.loss)):
            if getattr(settings, name) != near:
                raise UsageError(f"--{name}: expected --netns or --interface with it, found neither")
        return
    elsewhere = [name for name in ("server_host", "load_workers") if getattr(settings, name) is not None]
    if len(elsewhere) != 1:
        found = "both" if elsewhere else "neither; --netns makes a distance on one machine"
        raise UsageError(f"--interface: expected --server-host or --load-workers with it, found {found}")


def check_started(settings: Settings, servers: Iterable[Server]) -> None:
    """Raise `UsageError` for a distance to a server that runs already."""
    running = [each.name for each in servers if each.runs_at is not None]
    for name in ("netns", "interface"):
        if getattr(settings, name) and running:
            found = f"{running[0]}, which runs already"
            raise UsageError(f"--{name}: expected servers that are started for it, found {found}")


def _check_rounds(settings: Settings) -> None:
    """Raise `UsageError` for a precision for which no round could be added."""
    if settings.precision is None:
        return
    if isinstance(settings.load, Sweep):
        raise UsageError("--precision: expected --load saturate, rate or capacity with it, found sweep")
    if settings.max_rounds < settings.rounds:
        raise UsageError(f"--max-rounds: expected --rounds, {settings.rounds}, or more, found {settings.max_rounds}")


def _check_load(settings: Settings) -> None:
    """Raise `UsageError` for what a kind of load has no room for."""
    if settings.prefer is not None and isinstance(settings.load, Sweep):
        raise UsageError("--prefer: expected --load saturate, rate or capacity with it, found sweep")
    if settings.with_reference == "on" and not isinstance(settings.load, Saturate | Rate):
        raise UsageError(f"--with-reference: expected --load saturate or rate with it, found {settings.load}")

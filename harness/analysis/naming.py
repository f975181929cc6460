"""What reports, charts and the terminal call the candidates of a run. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.text.numbers import plural

if TYPE_CHECKING:
    from collections.abc import Iterable

    from harness.model.plan import Candidate, Case, Comparison

CONTROL_SUFFIX = " (control)"
"""The name of a control is that of the candidate that it is a second entry of, with this at its end."""
TITLES = frozenset({"Server", "App", "App on server"})
"""Every title that a `Naming` can have."""


@dataclass(frozen=True)
class Naming:
    """Candidates are named after what a run has several of: servers, apps, or both."""

    servers: bool
    apps: bool

    @classmethod
    def of(cls, candidates: Iterable[Candidate]) -> Naming:
        """A run of one server and one app names its candidate after the server."""
        every = set(candidates)
        apps = len({each.app for each in every}) > 1
        return cls(servers=not apps or len({each.server for each in every}) > 1, apps=apps)

    @property
    def title(self) -> str:
        """What the candidates are, for the head of a column."""
        if not self.apps:
            return "Server"
        return "App on server" if self.servers else "App"

    def name(self, candidate: Candidate) -> str:
        """`uvicorn`, `uvicorn (control)`, `fastapi`, `fastapi on uvicorn`."""
        parts = [*([candidate.app] if self.apps else []), *([candidate.server] if self.servers else [])]
        name = " on ".join(parts)
        return name + CONTROL_SUFFIX if candidate.control else name


@dataclass(frozen=True)
class Levels:
    """Comparisons are named after the numbers that a run has several of: of users, of workers, of round-trip times."""

    users: bool
    workers: bool
    distances: bool = False

    @classmethod
    def of(cls, comparisons: Iterable[Comparison | Case]) -> Levels:
        every = list(comparisons)
        return cls(
            users=len({each.users for each in every}) > 1,
            workers=len({each.workers for each in every}) > 1,
            distances=len({each.distance for each in every}) > 1,
        )

    def names(self, of: Comparison | Case) -> list[str]:
        """`8 users`, `2 workers`, `20 ms RTT`, all or none."""
        users = [plural(of.users, "user")] if self.users else []
        workers = [plural(of.workers, "worker")] if self.workers else []
        return [*users, *workers, *([name_rtt(of.distance.rtt_s)] if self.distances else [])]


def name_rtt(rtt_s: float) -> str:
    """`0 ms RTT`, `0.5 ms RTT`, `20 ms RTT`."""
    return f"{1000 * rtt_s:g} ms RTT"


BY_SERVER = Naming(servers=True, apps=False)
"""Names every candidate after its server, in lines that are about servers alone."""

"""The order for the load processes of one measurement: which candidates take turns, for how long, under which load."""

from __future__ import annotations

from dataclasses import dataclass, field

from harness.model.loads import Arrivals

MAX_BODY_BYTES = 64 * 1024 * 1024
"""The longest body of an answer, or message of a WebSocket, unless --max-body says otherwise."""


@dataclass(frozen=True)
class Turn:
    """One case in a cycle: which candidate's users send, how many of them, and in an open loop at which rate."""

    candidate: int
    """Number of the candidate, as in `BlockOrder.hosts`."""
    users: int
    rate_rps: float | None = None
    """Requests per second that are due, over all load processes; None in a closed loop."""
    arrivals: Arrivals = "uniform"


@dataclass(frozen=True)
class BlockOrder:
    """Everything that the load processes of one measurement need to know."""

    hosts: tuple[str, ...]
    """Base URL of each candidate."""
    turns: tuple[Turn, ...]
    """The cases that take turns, all in a closed loop or all in an open loop."""
    warmup_s: float
    """Load on each candidate before the first cycle."""
    duration_s: float
    """Counted time of each turn, over all cycles."""
    slice_s: float | None
    """Counted time of a turn in one cycle; None to choose it from the service times in the warm-up."""
    request_timeout_s: float
    """A request without an answer after this time is unanswered."""
    max_body_bytes: int = field(default=MAX_BODY_BYTES, kw_only=True)
    """An answer with a longer body is an error."""
    headers: tuple[tuple[str, str], ...] = field(default=(), kw_only=True)
    """Headers of each request that does not have them; names are in lower case."""
    seed: int
    """Fixes the order of turns in each cycle, and the gaps of Poisson arrivals."""

    @property
    def users(self) -> int:
        """How many users each candidate has."""
        return max(turn.users for turn in self.turns)

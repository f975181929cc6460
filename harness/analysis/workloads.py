"""How the requests of two cases differ: nothing else about them is compared then. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def explain_requests(ones: Sequence[str], others: Sequence[str], workloads: tuple[str | None, str | None]) -> str:
    """How the requests of two cases differ; empty if they do not, as far as the runs have recorded it.

    `ones` and `others` are their names, which alone do not say it: of a rare request, one side may have had no answer.
    """
    if not ones or not others or None in workloads or workloads[0] == workloads[1]:
        return ""
    changes = [f"{name} is new" for name in others if name not in ones]
    changes += [f"{name} is gone" for name in ones if name not in others]
    parts = [_read_digests(each) for each in workloads if each is not None]
    if bool(parts[0]) != bool(parts[1]):
        return ""  # one is of an earlier version, and its digest of another kind
    return f"the requests differ: {', '.join(changes) or _explain_digests(*parts)}"


def _read_digests(workload: str) -> dict[str, str]:
    """The digest of each part of a workload; earlier versions had one of all parts, which has no name."""
    lines = (line.partition(" ") for line in workload.splitlines())
    return {name: digest for digest, _, name in lines if name}


def _explain_digests(ours: Mapping[str, str], theirs: Mapping[str, str]) -> str:
    """Say which parts have other digests, or are on one side only."""
    if not ours:
        return "payloads, weights, headers or tags are others"
    return ", ".join(f"{name} not the same" for name in {**ours, **theirs} if ours.get(name) != theirs.get(name))

"""Limits of the control groups that this process is in, which is how containers are held; both versions of them.

The groups are nested, and the tightest limit of them all holds (Linux, `admin-guide/cgroup-v2.rst`, `cgroup-v1/`).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from harness.host import cpus

_UNLIMITED_BYTES = 1 << 62
"""Version 1 writes no limit as the largest number of whole pages."""


@dataclass(frozen=True)
class Groups:
    """Limits; None where there is none."""

    version: int | None = None
    """None where no group was found."""
    quota_cpus: float | None = None
    cpuset: tuple[int, ...] | None = None
    memory_bytes: int | None = None


@dataclass(frozen=True)
class _Mount:
    """A hierarchy of groups, and which part of it can be seen where."""

    part: PurePosixPath
    folder: Path
    version: int
    controllers: frozenset[str]


def read(root: Path) -> Groups:
    """The limits of this process, as /proc/self/cgroup and the mounted hierarchies below `root` have them."""
    mounts, own = _mounts(root), _own(root)
    chains = {name: _chain(name, mounts, own) for name in ("cpu", "cpuset", "memory")}
    version = 1
    if not any(chains.values()):
        version, chains = 2, dict.fromkeys(chains, _chain("", mounts, own))
    if not any(chains.values()):
        return Groups()
    quotas = [quota for folder in chains["cpu"] if (quota := _quota(folder)) is not None]
    sizes = [size for folder in chains["memory"] if (size := _memory(folder)) is not None]
    sets = [found for folder in chains["cpuset"] if (found := _cpuset(folder)) is not None]
    return Groups(version, min(quotas, default=None), sets[0] if sets else None, min(sizes, default=None))


def _mounts(root: Path) -> list[_Mount]:
    """`man 5 proc_pid_mountinfo`: … root, mount point, options … - type, source, super options."""
    found = []
    for line in _text(root / "proc/self/mountinfo").splitlines():
        left, _, right = line.partition(" - ")
        kind, *_, options = right.split(" ")
        if kind in {"cgroup", "cgroup2"}:
            _, _, _, part, folder, *_ = left.split(" ")
            version = 1 if kind == "cgroup" else 2
            controllers = frozenset(options.split(",")) if version == 1 else frozenset({""})
            found.append(_Mount(PurePosixPath(part), root / folder.lstrip("/"), version, controllers))
    return found


def _own(root: Path) -> dict[str, PurePosixPath]:
    """Controller to this process's group; version 2 has no name for its one hierarchy."""
    found = {}
    for line in _text(root / "proc/self/cgroup").splitlines():
        _, names, path = line.split(":", 2)
        found.update(dict.fromkeys(names.split(","), PurePosixPath(path)))
    return found


def _chain(controller: str, mounts: list[_Mount], own: dict[str, PurePosixPath]) -> list[Path]:
    """Folders of a controller's groups, from this process's own outwards, as far as they can be seen."""
    mount = next((mount for mount in mounts if controller in mount.controllers), None)
    if mount is None or controller not in own:
        return []
    path = own[controller]
    # In a container the path may be the host's, of which only the container's own part is mounted.
    inside = path.relative_to(mount.part) if path.is_relative_to(mount.part) else PurePosixPath()
    folder = mount.folder / inside
    return [folder, *(parent for parent in folder.parents if parent.is_relative_to(mount.folder))]


def _quota(folder: Path) -> float | None:
    """CPU time ÷ time."""
    words = _text(folder / "cpu.max").split() or [
        _text(folder / "cpu.cfs_quota_us").strip(),
        _text(folder / "cpu.cfs_period_us").strip(),
    ]
    quota, period = words
    return int(quota) / int(period) if quota.isdecimal() and period.isdecimal() else None


def _memory(folder: Path) -> int | None:
    text = (_text(folder / "memory.max") or _text(folder / "memory.limit_in_bytes")).strip()
    return int(text) if text.isdecimal() and int(text) < _UNLIMITED_BYTES else None


def _cpuset(folder: Path) -> tuple[int, ...] | None:
    names = ("cpuset.cpus.effective", "cpuset.effective_cpus", "cpuset.cpus")
    text = next((text for name in names if (text := _text(folder / name).strip())), "")
    return tuple(sorted(cpus.parse_list(text))) if text else None


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""

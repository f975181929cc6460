"""The limits that control groups, version 1 or 2, set on this process; containers are limited this way.

Groups are nested, and the tightest limit applies (Linux, `admin-guide/cgroup-v2.rst`, `cgroup-v1/`).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from harness.host import cpus
from harness.model.machine import CPU_STATISTICS, parse_paused_s

if TYPE_CHECKING:
    from collections.abc import Iterable

_UNLIMITED_BYTES = 1 << 62
"""From this on there is no limit: version 1 then writes the largest possible number of whole pages."""


@dataclass(frozen=True)
class Groups:
    """Limits of this process; None means that there is none."""

    version: int | None = None
    """Version of the control groups; None if no group was found."""
    quota_cpus: float | None = None
    """CPU time ÷ time."""
    cpuset: tuple[int, ...] | None = None
    memory_bytes: int | None = None


@dataclass(frozen=True)
class _Mount:
    """A mounted hierarchy of groups: `part` of it is visible at `folder`."""

    part: PurePosixPath
    folder: Path
    version: int
    controllers: frozenset[str]


def read(root: Path) -> Groups:
    """Read the limits of this process from /proc/self/cgroup and from the hierarchies that are mounted below `root`."""
    mounts, own = _read_mounts(root), _read_own_groups(root)
    folders = {name: _list_folders(name, mounts, own) for name in ("cpu", "cpuset", "memory")}
    version = 1
    if not any(folders.values()):
        version, folders = 2, dict.fromkeys(folders, _list_folders("", mounts, own))
    if not any(folders.values()):
        return Groups()
    quotas = [quota for folder in folders["cpu"] if (quota := _read_quota(folder)) is not None]
    sizes = [size for folder in folders["memory"] if (size := _read_memory(folder)) is not None]
    sets = [found for folder in folders["cpuset"] if (found := _read_cpuset(folder)) is not None]
    return Groups(version, min(quotas, default=None), sets[0] if sets else None, min(sizes, default=None))


def list_cpu_statistics(root: Path) -> tuple[Path, ...]:
    """The files in which the groups of this process count for how long their CPU quotas paused it."""
    mounts, own = _read_mounts(root), _read_own_groups(root)
    folders = _list_folders("cpu", mounts, own) or _list_folders("", mounts, own)
    return tuple(folder / "cpu.stat" for folder in folders if _read_quota(folder) is not None)


def count_cpus(root: Path = Path("/")) -> int:
    """How many CPUs this process can use up at a time: those that it may run on, or as many as its quota is worth."""
    quota = read(root).quota_cpus
    return len(cpus.available()) if quota is None else max(1, min(len(cpus.available()), int(quota)))


def tell_load() -> dict[str, str]:
    """The variable by which load processes know where their CPU quotas count."""
    return {CPU_STATISTICS: ":".join(map(str, list_cpu_statistics(Path("/"))))}


def read_paused_s(files: Iterable[Path]) -> float:
    """For how long CPU quotas have paused processes of these groups, on each CPU; files of `list_cpu_statistics`."""
    return sum((parse_paused_s(_read(file)) for file in files), 0.0)


def list_processes(folder: Path) -> tuple[int, ...]:
    """The processes of a group and of the groups below it, now; none if it is gone."""
    return tuple(int(line) for file in sorted(folder.rglob("cgroup.procs")) for line in _read(file).split())


def _read_mounts(root: Path) -> list[_Mount]:
    """Read `/proc/self/mountinfo`: … root, mount point, options … - type, source, super options (its man page)."""
    found = []
    for line in _read(root / "proc/self/mountinfo").splitlines():
        left, _, right = line.partition(" - ")
        kind, *_, options = right.split(" ")
        if kind in {"cgroup", "cgroup2"}:
            _, _, _, part, folder, *_ = left.split(" ")
            version = 1 if kind == "cgroup" else 2
            controllers = frozenset(options.split(",")) if version == 1 else frozenset({""})
            found.append(_Mount(PurePosixPath(part), root / folder.lstrip("/"), version, controllers))
    return found


def _read_own_groups(root: Path) -> dict[str, PurePosixPath]:
    """Read this process's group for each controller; version 2 has one hierarchy, with an empty name."""
    found = {}
    for line in _read(root / "proc/self/cgroup").splitlines():
        _, names, path = line.split(":", 2)
        found.update(dict.fromkeys(names.split(","), PurePosixPath(path)))
    return found


def _list_folders(controller: str, mounts: list[_Mount], own: dict[str, PurePosixPath]) -> list[Path]:
    """List the folders of a controller's groups, from this process's group to the outermost that is visible."""
    mount = next((mount for mount in mounts if controller in mount.controllers), None)
    if mount is None or controller not in own:
        return []
    path = own[controller]
    # In a container the path may be the host's, while only the container's part of the hierarchy is mounted.
    inside = path.relative_to(mount.part) if path.is_relative_to(mount.part) else PurePosixPath()
    folder = mount.folder / inside
    return [folder, *(parent for parent in folder.parents if parent.is_relative_to(mount.folder))]


def _read_quota(folder: Path) -> float | None:
    words = _read(folder / "cpu.max").split() or [
        _read(folder / "cpu.cfs_quota_us").strip(),
        _read(folder / "cpu.cfs_period_us").strip(),
    ]
    quota, period = words
    return int(quota) / int(period) if quota.isdecimal() and period.isdecimal() else None


def _read_memory(folder: Path) -> int | None:
    text = (_read(folder / "memory.max") or _read(folder / "memory.limit_in_bytes")).strip()
    return int(text) if text.isdecimal() and int(text) < _UNLIMITED_BYTES else None


def _read_cpuset(folder: Path) -> tuple[int, ...] | None:
    names = ("cpuset.cpus.effective", "cpuset.effective_cpus", "cpuset.cpus")
    text = next((text for name in names if (text := _read(folder / name).strip())), "")
    return tuple(sorted(cpus.parse_list(text))) if text else None


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""

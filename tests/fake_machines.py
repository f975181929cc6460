"""Machines as files: what is read of Linux's /proc, /sys and /etc, for machines of several kinds."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

Files = dict[str, str]

V2_MOUNT = "30 23 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n"
V1_MOUNTS = (
    "22 27 0:21 / /proc rw,relatime - proc proc rw\n"
    "32 31 0:29 /docker/abc /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n"
    "34 31 0:31 /docker/abc /sys/fs/cgroup/cpuset rw - cgroup cgroup rw,cpuset\n"
    "36 31 0:33 /docker/abc /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
)


def write(root: Path, files: Mapping[str, str]) -> Path:
    """Put the files below `root`."""
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def later(root: Path, files: Mapping[str, str]) -> Callable[[float], None]:
    """A wait function that changes the files."""

    def wait(_seconds: float) -> None:
        write(root, files)

    return wait


def stat(*, user: int, idle: int, steal: int = 0) -> str:
    """/proc/stat of all CPUs together, in ticks."""
    return f"cpu  {user} 0 0 {idle} 0 0 0 {steal} 0 0\ncpu0 1 0 0 1 0 0 0 0 0 0\nintr 1 2 3\n"


def process(pid: int, name: str, ticks: int) -> Files:
    """A process that has used this many ticks in user mode."""
    fields = ["S", "1", *["0"] * 9, str(ticks), "0", *["0"] * 30]
    return {f"proc/{pid}/stat": f"{pid} ({name}) {' '.join(fields)}\n"}


def cpus(count: int, *, threads: int = 1, nodes: int = 1, flags: str = "fpu sse2") -> Files:
    """`count` CPUs; with two threads per core, the first half are the cores' first threads, as Intel numbers them."""
    cores = count // threads
    files = {
        "sys/devices/system/cpu/online": f"0-{count - 1}\n",
        "proc/cpuinfo": f"processor\t: 0\nmodel name\t: Example 9000\nflags\t\t: {flags}\n",
        "proc/self/status": f"Name:\tpython\nCpus_allowed_list:\t0-{count - 1}\n",
    }
    for number in range(count):
        core = number % cores
        siblings = ",".join(str(core + cores * thread) for thread in range(threads))
        folder = f"sys/devices/system/cpu/cpu{number}/topology"
        files |= {
            f"{folder}/core_id": f"{core}\n",
            f"{folder}/physical_package_id": f"{core * nodes // cores}\n",
            f"{folder}/thread_siblings_list": f"{siblings}\n",
        }
    for node in range(nodes):
        members = [str(number) for number in range(count) if (number % cores) * nodes // cores == node]
        files[f"sys/devices/system/node/node{node}/cpulist"] = ",".join(members) + "\n"
    return files


def common() -> Files:
    """The files that every machine here has."""
    return {
        "proc/sys/kernel/osrelease": "6.8.0\n",
        "etc/os-release": 'NAME="Debian GNU/Linux"\nPRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\n',
        "proc/meminfo": "MemTotal: 16000000 kB\nMemAvailable: 12000000 kB\nSwapTotal: 2000 kB\nSwapFree: 500 kB\n",
        "proc/self/limits": "Limit  Soft Limit  Hard Limit  Units\nMax open files            1024    524288    files\n",
        "proc/self/stat": "77 (python) S 1\n",
        "proc/sys/net/ipv4/ip_local_port_range": "32768\t60999\n",
        "proc/sys/net/ipv4/tcp_tw_reuse": "2\n",
        "proc/sys/net/core/somaxconn": "4096\n",
        "proc/net/sockstat": "sockets: used 9\nTCP: inuse 6 orphan 0 tw 128 alloc 66 mem 0\n",
        "proc/loadavg": "0.50 0.25 0.12 1/200 999\n",
        "proc/stat": stat(user=1000, idle=9000),
    }


def laptop() -> Files:
    """Four CPUs on two cores, on battery, with the powersave governor of acpi-cpufreq and turbo on."""
    files = {**common(), **cpus(4, threads=2)}
    for number in range(4):
        folder = f"sys/devices/system/cpu/cpu{number}/cpufreq"
        files |= {
            f"{folder}/scaling_governor": "powersave\n",
            f"{folder}/scaling_driver": "acpi-cpufreq\n",
            f"{folder}/scaling_cur_freq": f"{800_000 + 100_000 * number}\n",
            f"{folder}/cpuinfo_min_freq": "400000\n",
            f"{folder}/cpuinfo_max_freq": "4200000\n",
        }
    return files | {
        "sys/devices/system/cpu/cpufreq/boost": "1\n",
        "sys/class/dmi/id/product_name": "ThinkBook 13\n",
        "sys/class/power_supply/AC/type": "Mains\n",
        "sys/class/power_supply/AC/online": "0\n",
        "sys/class/power_supply/BAT0/type": "Battery\n",
        "sys/class/power_supply/BAT0/status": "Discharging\n",
        "sys/class/power_supply/BAT0/capacity": "42\n",
        "sys/class/power_supply/mouse/type": "Battery\n",
        "sys/class/power_supply/mouse/scope": "Device\n",
        "sys/class/power_supply/mouse/capacity": "1\n",
        "proc/self/cgroup": "0::/user.slice/session.scope\n",
        "proc/self/mountinfo": V2_MOUNT,
        "sys/fs/cgroup/user.slice/session.scope/cpu.max": "max 100000\n",
        "sys/fs/cgroup/user.slice/session.scope/memory.max": "max\n",
    }


def cloud() -> Files:
    """A virtual machine with two CPUs, without frequency or battery, in control groups of version 1 without limits."""
    mounts = V1_MOUNTS.replace("/docker/abc", "/")
    return {
        **common(),
        **cpus(2, flags="fpu sse2 hypervisor"),
        "sys/class/dmi/id/product_name": "m5.large\n",
        "proc/self/mountinfo": mounts,
        "proc/self/cgroup": "4:memory:/\n3:cpuset:/\n1:cpu,cpuacct:/\n0::/\n",
        "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "-1\n",
        "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000\n",
        "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
        "sys/fs/cgroup/cpuset/cpuset.effective_cpus": "0-1\n",
    }


def container() -> Files:
    """Four of eight CPUs by cpuset, 2.5 by the quota of an outer group, and 1 GiB, in control groups of version 2."""
    return {
        **common(),
        **cpus(8),
        "proc/self/status": "Cpus_allowed_list:\t0-3\n",
        "proc/self/cgroup": "0::/pod/app\n",
        "proc/self/mountinfo": V2_MOUNT,
        "sys/fs/cgroup/pod/app/cpu.max": "400000 100000\n",
        "sys/fs/cgroup/pod/cpu.max": "250000 100000\n",
        "sys/fs/cgroup/pod/app/memory.max": f"{1 << 30}\n",
        "sys/fs/cgroup/pod/memory.max": "max\n",
        "sys/fs/cgroup/pod/app/cpuset.cpus.effective": "0-3\n",
    }


def docker_v1() -> Files:
    """A container of version 1: its group has the path on the host, of which only the container's part is mounted."""
    return {
        **common(),
        **cpus(2),
        "proc/self/mountinfo": V1_MOUNTS,
        "proc/self/cgroup": "4:memory:/docker/abc\n3:cpuset:/docker/abc\n1:cpu,cpuacct:/docker/abc\n",
        "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "150000\n",
        "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000\n",
        "sys/fs/cgroup/memory/memory.limit_in_bytes": f"{512 << 20}\n",
        "sys/fs/cgroup/cpuset/cpuset.cpus": "1\n",
    }

"""A command line for echocorn, which takes a configuration file only.

`python echocorn_asgi.py HOST PORT WORKERS MODULE:ATTRIBUTE [CERTIFICATE KEY]`

The file is in memory, so nothing is left of it.
"""

from __future__ import annotations

import json
import os
import sys

from echocorn.__main__ import main as echocorn  # type: ignore[import-untyped]  # it has no types


def write(host: str, port: str, workers: str, target: str, *tls: str) -> str:
    """The configuration in TOML, whose strings are those of JSON."""
    tables: dict[str, dict[str, object]] = {
        "server": {"host": host, "port": int(port), "workers": int(workers)},
        "logging": {"level": "WARN", "access": False},
        **({"tls": dict(zip(("certfile", "keyfile"), tls, strict=True))} if tls else {}),
    }
    lines = [f"app = {json.dumps(target)}"]
    for name, table in tables.items():
        lines += [f"[{name}]", *(f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in table.items())]
    return "\n".join(lines)


def main(*arguments: str) -> int:
    """Serve until a signal ends the process."""
    file = os.memfd_create("echocorn.toml")
    os.write(file, write(*arguments).encode())
    # Its workers read the file too, so the path names this process.
    status: int = echocorn(["--config", f"/proc/{os.getpid()}/fd/{file}"])
    return status


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

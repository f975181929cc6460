"""Serves apps in packages, such as `apps.asgi:app`, with tremolo, whose own command line takes files only.

`python tremolo_asgi.py HOST PORT WORKERS MODULE:ATTRIBUTE [CERTIFICATE KEY]`

For tremolo, this file is the app: its workers import it and get its attribute `app`.
"""

from __future__ import annotations

import importlib
import sys

import tremolo  # type: ignore[import-untyped]  # it has no types


def __getattr__(name: str) -> object:
    """`app`, the callable that the command line names."""
    if name != "app":
        raise AttributeError(name)
    module, _, attribute = sys.argv[4].partition(":")
    return getattr(importlib.import_module(module), attribute)


def main(host: str, port: str, workers: str, _target: str, *tls: str) -> None:
    """Serve until a signal ends the process."""
    options = {"ssl": dict(zip(("cert", "key"), tls, strict=True))} if tls else {}
    tremolo.run(f"{__file__}:app", host=host, port=int(port), worker_num=int(workers), log_level="ERROR", **options)


if __name__ == "__main__":
    main(*sys.argv[1:])

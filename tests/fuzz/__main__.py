"""Fuzz one parser with atheris until a time is over; an input that breaks it is kept and named.

python -m tests.fuzz http1 -max_total_time=60 -artifact_prefix=build/fuzz/
"""

from __future__ import annotations

import sys

import atheris  # type: ignore[import-not-found] # only `make fuzz` installs it

with atheris.instrument_imports(include=["harness.load", "hpack", "wsproto", "h11", "aioquic.h3"]):
    from tests.fuzz.targets import SEEDS, TARGETS, arrange


def main() -> None:
    target = TARGETS[sys.argv[1]]
    for seed in SEEDS[sys.argv[1]]:
        for often in (False, True):
            target(arrange(seed, [1, 3], often=often))
    atheris.Setup([sys.argv[0], *sys.argv[2:]], lambda data: target(data) if data else None)
    atheris.Fuzz()


main()

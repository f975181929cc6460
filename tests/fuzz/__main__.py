"""Fuzz one parser with atheris until a time is over; an input that breaks it is kept and named.

python -m tests.fuzz http1 build/fuzz/http1 -max_total_time=60 -artifact_prefix=build/fuzz/

The second word is the folder of the inputs that it begins with, and adds to.
"""

from __future__ import annotations

import itertools
import sys
from pathlib import Path

import atheris  # type: ignore[import-not-found] # only `make fuzz` installs it

with atheris.instrument_imports(include=["harness.load", "hpack", "wsproto", "h11", "aioquic.h3"]):
    from tests.fuzz.targets import BEGINNINGS, SEEDS, TARGETS, arrange


def main() -> None:
    name, corpus, *options = sys.argv[1:]
    target = TARGETS[name]
    Path(corpus).mkdir(parents=True, exist_ok=True)
    for number, (beginning, seed) in enumerate(itertools.product(BEGINNINGS[name], SEEDS[name])):
        Path(corpus, f"once-{number}").write_bytes(arrange(beginning + seed, [3]))
        Path(corpus, f"often-{number}").write_bytes(arrange(beginning + seed, [], repeated_from=len(beginning)))
    atheris.Setup([sys.argv[0], corpus, *options], lambda data: target(data) if data else None)
    atheris.Fuzz()


main()

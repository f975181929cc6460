"""Runs commands for the harness, and those that take them back when its standard input ends.

That ends with the harness, for whatever reason, `kill -9` too. No command can come after those that take it back, since
one process runs them all, one after the other.

Usage: keeper.py CLAIM LAST. Both are lists of commands as JSON, and a command is a list of words. CLAIM is run first;
where it fails, nothing else happens. LAST is run in the end, whatever fails. Each line of standard input is a list too.
A list is run until a command fails; the answer, as to CLAIM, is what that one said, or null.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


def run(commands: Iterable[Sequence[str]]) -> str | None:
    """Run commands until one fails; what that one said."""
    for argv in commands:
        try:
            done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        except OSError as error:
            return f"{argv[0]}: {error.strerror}"
        if done.returncode != 0:
            said = done.stderr.strip().splitlines() or [f"exit status {done.returncode}"]
            return f"{said[0]} ({' '.join(argv)})"
    return None


def main() -> None:
    """Obey until the end of standard input."""
    claim, last = map(json.loads, sys.argv[1:])
    for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(each, signal.SIG_IGN)  # they are for the harness, whose end is the end
    if (said := run(claim)) is not None:
        print(json.dumps(said), flush=True)
        return
    try:
        print(json.dumps(None), flush=True)
        for line in sys.stdin:
            print(json.dumps(run(json.loads(line))), flush=True)
    finally:
        for each in last:
            run([each])


if __name__ == "__main__":
    main()

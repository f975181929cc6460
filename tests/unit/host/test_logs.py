"""The one line of a log that tells why: of each server as it writes it."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.host import logs

FRAMES = """Traceback (most recent call last):
  File "/shop/main.py", line 1, in <module>
    import faker
    ^^^^^^^^^^^^
"""
LACKING = "ModuleNotFoundError: No module named 'faker'"
GRANIAN = "[ERROR] Unexpected exit from worker-1\n"
GUNICORN = """[2026-11-25 03:19:20 +0000] [94] [ERROR] Worker (pid:95) exited with code 4.
[2026-11-25 03:19:20 +0000] [94] [ERROR] Shutting down: Master
[2026-11-25 03:19:20 +0000] [94] [ERROR] Reason: App failed to load.
"""


@pytest.mark.parametrize(
    ("log", "line"),
    [
        ("", ""),
        ("\n \n---\n", ""),
        ("starting\nno such database\n", "no such database"),
        (f"{FRAMES}{LACKING}\n", LACKING),
        (f"starting\n{FRAMES}{LACKING}", LACKING),
        (
            'ERROR:    Error loading ASGI app. Attribute "application" not found in module "shop".\n',
            'Error loading ASGI app. Attribute "application" not found in module "shop".',
        ),
        (f"ERROR:    {FRAMES}{LACKING}\n\nERROR:    Application startup failed. Exiting.\n", LACKING),
        ("ERROR:    no database\nERROR:    Application startup failed. Exiting.\n", "no database"),
        (
            f"{FRAMES}RuntimeError: While importing 'shop', it raised:\n\n{FRAMES}{LACKING}\n\n{GRANIAN}",
            LACKING,
        ),
        (f"[ERROR] {FRAMES}{LACKING}\n\n[ERROR] ASGI lifespan startup failed\n{GRANIAN}", LACKING),
        (f"Failed to find attribute 'app' in 'shop'.\n{GUNICORN}", "Failed to find attribute 'app' in 'shop'."),
        (f"{FRAMES}{LACKING}\nNo module named 'faker'\n{GUNICORN}", LACKING),
        (
            f"[2026-11-25 03:19:21 +0000] [95] [ERROR] ASGI lifespan startup failed: no database\n{GUNICORN}",
            "ASGI lifespan startup failed: no database",
        ),
        (f"{FRAMES}hypercorn.utils.LifespanFailureError: 'Traceback (most recent call last):\n{LACKING}\n'\n", LACKING),
        (f"  + Exception Group {FRAMES}  | Group (1)\n    | {FRAMES}    | {LACKING}\n    +-------\n", LACKING),
        (
            "unable to load app 0 (callable not found or import error)\n*** no app loaded. GAME OVER ***\n",
            "unable to load app 0 (callable not found or import error)",
        ),
        (f"{FRAMES}{LACKING}\nA worker process died (1). Restarting...\n", LACKING),
        (
            f"{FRAMES}pydantic.ValidationError: 1 error for Settings\ndatabase_url\n  Field required [type=missing]\n",
            "pydantic.ValidationError: 1 error for Settings database_url Field required [type=missing]",
        ),
        ("\x1b[31mno database\x1b[0m\n", "no database"),
        ("first\n" + "".join(FRAMES.splitlines(keepends=True)[1:]), "first"),
    ],
)
def test_the_telling_line_of_a_log(log: str, line: str) -> None:
    assert logs.find_reason(log) == line


def test_a_line_is_cut_to_fit() -> None:
    told = logs.find_reason(f"{FRAMES}ValueError: {'x' * 500}\n")
    assert len(told) == logs.REASON_CHARACTERS
    assert told.startswith("ValueError: xxx")
    assert told.endswith("x…")


def test_the_reason_is_found_above_more_lines_than_a_tail_has(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text(FRAMES + "  File\n" * 30 + LACKING)
    assert LACKING in logs.tail(log)
    assert logs.quote_reason(log) == f"; it said: {LACKING}"


def test_a_log_that_is_not_there_or_empty_says_nothing(tmp_path: Path) -> None:
    assert logs.quote_reason(tmp_path / "none") == ""
    (tmp_path / "log").touch()
    assert logs.quote_reason(tmp_path / "log") == ""

"""The one line of a log that gives the reason of a failure, in the logs of each server."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.host import logs

FRAMES = """Traceback (most recent call last):
  File "/shop/main.py", line 1, in <module>
    import faker
    ^^^^^^^^^^^^
"""
MISSING = "ModuleNotFoundError: No module named 'faker'"
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
        (f"{FRAMES}{MISSING}\n", MISSING),
        (f"starting\n{FRAMES}{MISSING}", MISSING),
        (
            'ERROR:    Error loading ASGI app. Attribute "application" not found in module "shop".\n',
            'Error loading ASGI app. Attribute "application" not found in module "shop".',
        ),
        (f"ERROR:    {FRAMES}{MISSING}\n\nERROR:    Application startup failed. Exiting.\n", MISSING),
        ("ERROR:    no database\nERROR:    Application startup failed. Exiting.\n", "no database"),
        (
            f"{FRAMES}RuntimeError: While importing 'shop', it raised:\n\n{FRAMES}{MISSING}\n\n{GRANIAN}",
            MISSING,
        ),
        (f"[ERROR] {FRAMES}{MISSING}\n\n[ERROR] ASGI lifespan startup failed\n{GRANIAN}", MISSING),
        (f"Failed to find attribute 'app' in 'shop'.\n{GUNICORN}", "Failed to find attribute 'app' in 'shop'."),
        (f"{FRAMES}{MISSING}\nNo module named 'faker'\n{GUNICORN}", MISSING),
        (
            f"[2026-11-25 03:19:21 +0000] [95] [ERROR] ASGI lifespan startup failed: no database\n{GUNICORN}",
            "ASGI lifespan startup failed: no database",
        ),
        (f"{FRAMES}hypercorn.utils.LifespanFailureError: 'Traceback (most recent call last):\n{MISSING}\n'\n", MISSING),
        (f"  + Exception Group {FRAMES}  | Group (1)\n    | {FRAMES}    | {MISSING}\n    +-------\n", MISSING),
        (
            "unable to load app 0 (callable not found or import error)\n*** no app loaded. GAME OVER ***\n",
            "unable to load app 0 (callable not found or import error)",
        ),
        (f"{FRAMES}{MISSING}\nA worker process died (1). Restarting...\n", MISSING),
        (
            f"{FRAMES}pydantic.ValidationError: 1 error for Settings\ndatabase_url\n  Field required [type=missing]\n",
            "pydantic.ValidationError: 1 error for Settings database_url Field required [type=missing]",
        ),
        ("\x1b[31mno database\x1b[0m\n", "no database"),
        ("first\n" + "".join(FRAMES.splitlines(keepends=True)[1:]), "first"),
    ],
)
def test_the_reason_is_found_in_the_log_of_each_server(log: str, line: str) -> None:
    assert logs.find_reason(log) == line
    assert logs.find_exception(log) == (line if "Traceback" in log else "")


STATISTICS = """\
Type     Name       # reqs      # fails |    Avg     Min     Max    Med |   req/s  failures/s
--------|---------|-------|-------------|-------|-------|-------|-------|--------|-----------
GET      /             130  130(100.00%) |      5       1      12      4 |  650.00      650.00
--------|---------|-------|-------------|-------|-------|-------|-------|--------|-----------
         Aggregated    130  130(100.00%) |      5       1      12      4 |  650.00      650.00

Response time percentiles (approximated)
Type     Name           50%    66%    75%    80%    90%    95%    98%    99%  99.9% 99.99%   100% # reqs
--------|---------|--------|------|------|------|------|------|------|------|------|------|------|------
GET      /                4      5      6      6      8      9     10     11     12     12     12    130
--------|---------|--------|------|------|------|------|------|------|------|------|------|------|------
         Aggregated       4      5      6      6      8      9     10     11     12     12     12    130

Error report
# occurrences      Error
------------------|---------------------------------------------------------------------------------
"""


def test_statistics_of_locust_are_no_reason() -> None:
    assert logs.find_reason(f"no such user: ann\n{STATISTICS}") == "no such user: ann"
    assert logs.find_reason(f"{STATISTICS}130  GET /: HTTPError('404')\n") == "130 GET /: HTTPError('404')"


def test_a_long_reason_is_cut() -> None:
    reason = logs.find_reason(f"{FRAMES}ValueError: {'x' * 500}\n")
    assert len(reason) == logs.REASON_CHARACTERS
    assert reason.startswith("ValueError: xxx")
    assert reason.endswith("x…")


def test_the_reason_is_found_above_the_lines_that_a_tail_has(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text(FRAMES + "  File\n" * 30 + MISSING)
    assert MISSING in logs.tail(log)
    assert logs.quote_reason(log) == f"; it said: {MISSING}"


def test_a_log_that_does_not_exist_or_is_empty_gives_no_reason(tmp_path: Path) -> None:
    assert logs.quote_reason(tmp_path / "none") == ""
    (tmp_path / "log").touch()
    assert logs.quote_reason(tmp_path / "log") == ""


def test_a_tail_is_bounded_where_a_log_is_one_line(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_bytes(b"first\n" + b"x" * 60_000_000)
    assert logs.tail(log) == "…" + "x" * logs.TAIL_BYTES
    assert len(logs.quote_reason(log)) < 2 * logs.REASON_CHARACTERS


def test_a_log_that_grows_without_end_keeps_its_beginning_and_its_end(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with logs.Log(log) as kept, kept.open() as file:
        file.write(b"the beginning\n")
        for _ in range(3):
            file.write(b"x" * logs.LARGEST_BYTES)
            file.flush()
            logs.shorten(log)
        file.write(b"\nthe end\n")
    found = log.read_bytes()
    assert len(found) < logs.LARGEST_BYTES
    assert found.startswith(b"the beginning\n")
    assert logs.LEFT_OUT in found
    assert found.endswith(b"\nthe end\n")


def test_the_tail_of_a_log_is_its_last_lines_and_empty_if_there_is_no_log(tmp_path: Path) -> None:
    log = tmp_path / "log"
    assert logs.tail(log) == ""
    log.write_bytes(b"first\nsecond\n\xff third\n")
    assert logs.tail(log, lines=2) == "second\n\ufffd third"

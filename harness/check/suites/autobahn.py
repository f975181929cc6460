"""Autobahn's test suite for WebSocket servers: run by its own wstest, or by kosoku, which runs the same cases."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.check.suites.model import Case, Suite

if TYPE_CHECKING:
    from harness.check.target import Target

AGENT = "server"
_COMPRESSIONS = (*(f"12.{number}" for number in range(1, 6)), *(f"13.{number}" for number in range(1, 8)))
_SIZES = 5
"""Compression is tried with 1,000 messages of each of the first sizes, up to 4 KiB."""
LEFT_OUT = ("9.*", *(f"{group}.{size}" for group in _COMPRESSIONS for size in range(_SIZES + 1, 19)))
"""Its cases of large messages measure speed: they take minutes."""
RIGHT = ("OK", "NON-STRICT", "INFORMATIONAL", "UNIMPLEMENTED")
"""Outcomes that Autobahn itself does not count as failures."""


def _command(program: str, target: Target, folder: Path) -> list[str]:
    address = f"ws://{target.authority}/echo"
    if Path(program).name == "kosoku":
        left_out = [word for case in LEFT_OUT for word in ("-x", case)]
        return [program, "-m", "fuzzingclient", *left_out, "-o", str(folder), address]
    servers = [{"agent": AGENT, "url": address}]
    specification = {"outdir": str(folder), "servers": servers, "cases": ["*"], "exclude-cases": LEFT_OUT}
    file = folder / "fuzzingclient.json"
    file.write_text(json.dumps({**specification, "exclude-agent-cases": {}}))
    return [program, "-m", "fuzzingclient", "-s", str(file)]


def _read(folder: Path) -> list[Case]:
    """The cases of `index.json`, by agent and id; a file for each case has its texts."""
    agents: dict[str, dict[str, dict[str, Any]]] = json.loads((folder / "index.json").read_text())
    return [_case(folder, case_id, each) for cases in agents.values() for case_id, each in cases.items()]


def _case(folder: Path, case_id: str, entry: dict[str, Any]) -> Case:
    message, close = entry["behavior"], entry["behaviorClose"]
    passed = message in RIGHT and close in RIGHT
    if passed:
        return Case(case_id, "", passed)
    report = folder / entry["reportfile"]
    texts: dict[str, Any] = json.loads(report.read_text()) if report.exists() else {}
    result = texts.get("result" if message not in RIGHT else "resultClose", "")
    kind = message if message not in RIGHT else f"close: {close}"
    return Case(case_id, _in_a_line(texts.get("description", "")), passed, _in_a_line(f"{kind}. {result}"))


def _in_a_line(text: str) -> str:
    return " ".join(text.replace("<br>", " ").replace("<br/>", " ").split())


_COMPRESSED = ("ws-deflate", "ws-deflate-takeover", "ws-deflate-no-takeover", "ws-deflate-window")

SUITE = Suite(
    "autobahn",
    ("wstest", "kosoku"),
    "put kosoku (pip install kosoku, in an environment of its own) or Autobahn's wstest, for Python 2.7, on the PATH",
    ("ws",),
    _command,
    _read,
    {
        "1.1": ("ws-text", "ws-large"),
        "1.1.1": ("ws-empty",),
        "1.2": ("ws-binary", "ws-large"),
        "1.2.1": ("ws-empty",),
        "2": ("ws-ping",),
        "2.5": ("ws-control",),
        **dict.fromkeys(("2.7", "2.8", "2.9"), ("ws-pong",)),
        "3": ("ws-reserved",),
        "4": ("ws-reserved",),
        "5": ("ws-fragments",),
        **dict.fromkeys(("5.1", "5.2"), ("ws-control",)),
        **dict.fromkeys((f"5.{number}" for number in range(9, 19)), ("ws-fragments-order",)),
        "6": ("ws-utf8", "ws-split-character", "ws-text"),
        "6.1": ("ws-empty", "ws-fragments"),
        "7.1": ("ws-close",),
        "7.1.5": ("ws-close-in-message",),
        "7.3": ("ws-close",),
        "7.3.2": ("ws-control",),
        "7.3.6": ("ws-control",),
        "7.7": ("ws-close",),
        "7.9": ("ws-close-code-refused",),
        "10": ("ws-fragments",),
        "12": _COMPRESSED,
        "13": _COMPRESSED,
    },
)

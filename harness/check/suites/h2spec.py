"""h2spec: a suite for HTTP/2 servers, whose report is in the format of JUnit."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

from harness.check.suites.model import Case, Suite

if TYPE_CHECKING:
    from pathlib import Path

    from harness.check.target import Target

TIMEOUT_S = 2
"""Its own default: how long it waits for each frame."""
_REPORT = "h2spec.xml"
_FAILURES = re.compile(r"<(failure|error)>(.*?)</\1>", re.DOTALL)
_CONTROL = re.compile(r"[^\t\n\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that XML cannot have."""


def _command(program: str, target: Target, folder: Path) -> list[str]:
    where = ["--host", target.host, "--port", str(target.port), "--path", "/hello"]
    tls = ["--tls", "--insecure"] if target.tls else []
    return [program, *where, *tls, "--timeout", str(TIMEOUT_S), "--junit-report", str(folder / _REPORT)]


def _read(folder: Path) -> list[Case]:
    """The cases of the report: each suite has a package, `http2/6.9.1`, and its cases are numbered from 1."""
    written = (folder / _REPORT).read_text(errors="replace")
    try:
        suites = ET.fromstring(_FAILURES.sub(_escape, written)).findall("testsuite")  # noqa: S314 - written here
    except ET.ParseError as error:
        raise ValueError(f"expected a report in XML, found {error}") from error
    cases = []
    for suite in suites:
        for number, case in enumerate(suite.findall("testcase"), 1):
            wrong = next((each for kind in ("failure", "error") if (each := case.find(kind)) is not None), None)
            if case.find("skipped") is None:
                found = "" if wrong is None else _describe(wrong.text or "")
                case_id = f"{suite.get('package')}/{number}"
                cases.append(Case(case_id, case.get("classname", ""), wrong is None, found))
    return cases


def _escape(failure: re.Match[str]) -> str:
    """A failure whose text is proper XML: h2spec writes what a server sent as it is."""
    kind, text = failure.groups()
    return f"<{kind}>{escape(_CONTROL.sub('�', text))}</{kind}>"


def _describe(text: str) -> str:
    """A failure in a line: what may be received, one for each line, and in the last line what was."""
    *expected, found = [line for line in text.splitlines() if line.strip() not in ("", "Expect:", "Actual:")] or [text]
    return f"expected {' or '.join(expected)}, found {found}" if expected else found


_HPACK = ("h2-hpack", "h2-error-codes")
_CONTINUATION = ("h2-continuation", "h2-continuation-order")

SUITE = Suite(
    "h2spec",
    ("h2spec",),
    "put the program of a release of https://github.com/summerwind/h2spec on the PATH",
    ("h2", "h2c"),
    _command,
    _read,
    {
        "generic/1": ("h2-preface",),
        "generic/2": ("h2-half-closed", "h2-unknown"),
        "generic/3.1": ("h2-padding", "h2-upload"),
        "generic/3.1/3": ("h2-padding",),
        "generic/3.2": ("h2-scope", "h2-padding"),
        "generic/3.4": ("h2-reset",),
        "generic/3.5": ("h2-settings-ack",),
        "generic/3.7": ("h2-ping",),
        "generic/3.8": ("h2-client-goaway",),
        "generic/3.9": ("h2-window-stream", "h2-window-connection"),
        "generic/3.10": _CONTINUATION,
        "generic/4": ("h2-scope",),
        "generic/4/2": ("h2-head",),
        "generic/4/4": ("h2-request-trailers",),
        "generic/5": ("h2-scope",),
        "http2/3.5": ("h2-preface",),
        "http2/3.5/2": ("h2-bad-preface",),
        "http2/4.1": ("h2-unknown",),
        "http2/4.2": ("h2-frame-too-large",),
        "http2/4.2/1": ("h2-upload",),
        "http2/4.3": _HPACK,
        "http2/4.3/2": _CONTINUATION,
        "http2/4.3/3": _CONTINUATION,
        "http2/5.1": ("h2-half-closed",),
        **dict.fromkeys(("http2/5.1/1", "http2/5.1/2", "http2/5.1/3"), ("h2-idle-stream",)),
        **dict.fromkeys(("http2/5.1/4", "http2/5.1/7", "http2/5.1/10", "http2/5.1/13"), ("h2-continuation-order",)),
        **dict.fromkeys(("http2/5.1/8", "http2/5.1/9"), ()),  # frames on their way when a stream was reset
        "http2/5.1.1": ("h2-stream-id",),
        "http2/5.1.2": ("h2-streams-one-too-many",),
        "http2/5.4.1": ("h2-closed-after-error", "h2-connection-frames"),
        "http2/5.5": ("h2-unknown",),
        "http2/5.5/2": ("h2-continuation-order",),
        "http2/6.1": ("h2-stream-zero",),
        "http2/6.1/2": ("h2-half-closed",),
        "http2/6.1/3": ("h2-padding-too-long",),
        "http2/6.2": ("h2-continuation-order",),
        "http2/6.2/3": ("h2-stream-zero",),
        "http2/6.2/4": ("h2-padding-too-long",),
        "http2/6.4": ("h2-stream-zero",),
        "http2/6.4/2": ("h2-idle-stream",),
        "http2/6.4/3": ("h2-frame-size",),
        "http2/6.5": ("h2-frame-size", "h2-error-codes"),
        "http2/6.5/2": ("h2-connection-frames",),
        "http2/6.5.2": ("h2-settings-value", "h2-error-codes"),
        "http2/6.5.2/5": ("h2-unknown",),
        "http2/6.5.3": ("h2-window-settings", "h2-settings-ack"),
        "http2/6.7": ("h2-ping",),
        "http2/6.7/3": ("h2-connection-frames",),
        "http2/6.7/4": ("h2-frame-size",),
        "http2/6.9": ("h2-window-no-increment",),
        "http2/6.9/3": ("h2-frame-size",),
        "http2/6.9.1": ("h2-window-overflow",),
        "http2/6.9.1/1": ("h2-window-stream",),
        "http2/6.9.2": ("h2-window-settings",),
        "http2/6.9.2/2": ("h2-window-negative",),
        "http2/6.9.2/3": ("h2-settings-value", "h2-error-codes"),
        "http2/6.10": ("h2-continuation-order",),
        "http2/6.10/1": ("h2-continuation",),
        "http2/6.10/3": ("h2-stream-zero",),
        "http2/7/1": ("h2-client-goaway",),
        "http2/8.1/1": ("h2-request-trailers",),
        "http2/8.1.2": ("h2-header-name",),
        "http2/8.1.2.1": ("h2-pseudo-unknown",),
        "http2/8.1.2.1/4": ("h2-pseudo-late",),
        "http2/8.1.2.2": ("h2-connection-headers",),
        "http2/8.1.2.2/2": ("h2-te",),
        "http2/8.1.2.3": ("h2-pseudo-missing",),
        **dict.fromkeys(("http2/8.1.2.3/5", "http2/8.1.2.3/6", "http2/8.1.2.3/7"), ("h2-pseudo-twice",)),
        "http2/8.1.2.6": ("h2-content-length",),
        "http2/8.2": ("h2-push-promise",),
        "hpack": _HPACK,
    },
)

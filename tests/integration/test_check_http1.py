"""Each check passes on a server that behaves, and fails on the same server with one fault."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from harness.check.survey import Survey, checks
from harness.model import Launch, Server
from tests.manners import Manners, assert_fails, served

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.check.target import OwnTarget

SCRIPT = Path(__file__).parent / "manners_server.py"
BY_NAME = {check.name: check for check in checks() if "h1" in check.protocols}

FAULTS = [
    ("keep-alive", "always-closes", "expected two answers"),
    ("http10-close", "never-closes", "found it open"),
    ("http10-no-chunks", "chunks-for-all", "no Transfer-Encoding"),
    ("connection-close", "never-closes", "found it open"),
    ("pipelining", "drops-pipelined", "closed before a status line"),
    ("unread-body", "reparses-body", "served as a request"),
    ("empty-line-first", "no-empty-line", "found 400"),
    ("byte-by-byte", "impatient", "found 400"),
    ("chunked-request", "no-chunks", "b'hello, world'"),
    ("response-framing", "wrong-size", "chunk"),
    ("app-transfer-encoding", "doubles-chunks", "once chunked"),
    ("expect-continue", "no-expect", "found 417"),
    ("expect-refused", "no-expect", "found 417"),
    ("head", "body-for-head", "not a status line"),
    ("status-204", "length-for-204", "no content-length"),
    ("status-304", "body-for-304", "not a status line"),
    ("date", "no-date", "expected one Date"),
    ("malformed-request-line", "lenient-request-line", "no version: 200"),
    ("malformed-header", "lenient-field", "no colon: 200"),
    ("space-before-colon", "space-before-colon", "200"),
    ("header-nul", "keeps-0", "x00"),
    ("header-bare-cr", "keeps-13", "\\r"),
    ("header-bare-lf", "keeps-10", "\\n"),
    ("obs-fold", "keeps-fold", "\\r\\n b"),
    ("host-missing", "no-host-check", "no Host: 200"),
    ("host-twice", "no-host-check", "two Hosts: 200"),
    ("smuggling-cl-te", "length-wins", "Content-Length did"),
    ("smuggling-cl-te", "goes-on", "served as a request"),
    ("smuggling-two-lengths", "first-length", "200"),
    ("content-length-malformed", "lenient-length", "Content-Length: +5: 200"),
    ("content-length-malformed", "stays-after-refusal", "left open"),
    ("smuggling-codings", "lenient-coding", "Transfer-Encoding: identity: 200"),
    ("chunk-malformed", "lenient-chunk", "size with a sign: 200"),
    ("header-size", "no-limits", "expected a limit"),
    ("header-size", "wordless", "closed without one"),
    ("header-count", "no-limits", "expected a limit"),
    ("target-size", "no-limits", "expected a limit"),
    ("app-raises", "wordless-500", "closed without an answer"),
    ("app-silent", "wordless-500", "closed without an answer"),
    ("app-raises-midway", "pads", "found it complete"),
    ("app-raises-midway-length", "pads", "found it complete"),
    ("app-starts-only", "pads", "found it complete"),
    ("app-body-short", "pads", "found it complete"),
    ("app-body-long", "no-length-check", "not a status line"),
    ("header-injection", "injects", "x-injected"),
    ("streaming", "holds-back", "while the app waits"),
    ("upload-back-pressure", "reads-ahead", "64 MiB taken"),
    ("slow-reader", "no-drain", "64 MiB taken"),
    ("disconnect", "deaf", "expected http.disconnect"),
    ("disconnect-streaming", "deaf", "expected http.disconnect"),
    ("disconnect-upload", "half-is-whole", "as if complete"),
    ("send-after-disconnect", "odd-error", "ValueError"),
    ("receive-after-answer", "request-after-answer", "found http.request"),
    ("scope-types", "text-query", "query_string is str"),
    ("scope-method-version", "bare-version", "('1', 'GET')"),
    ("scope-scheme", "other-scheme", "'https'"),
    ("scope-path", "raw-path", "%20"),
    ("scope-query", "decoded-query", "query_string"),
    ("scope-root-path", "rooted", "/root"),
    ("scope-headers", "text-headers", "expected bytes"),
    ("scope-addresses", "text-ports", "of str and str"),
    ("scope-asgi", "no-versions", "expected asgi"),
    ("scope-extensions", "odd-extensions", "expected a dict"),
    ("extension-trailers", "no-trailers", "expected the body and the trailer"),
    ("extension-early-hint", "no-hints", "expected 103"),
    ("extension-pathsend", "no-file", "expected the file"),
    ("lifespan-startup", "no-lifespan", "no lifespan scope"),
    ("lifespan-startup", "serves-at-once", "expected no request before"),
    ("lifespan-scope", "lifespan-bare", "expected asgi"),
    ("lifespan-shutdown", "no-shutdown", "expected lifespan.shutdown"),
    ("lifespan-state", "one-state", "expected a copy"),
    ("lifespan-failed", "serves-after-failure", "found that it serves"),
    ("lifespan-failed", "exits-0", "exit status 0"),
    ("lifespan-failed", "hides-message", "message in the log"),
    ("lifespan-unknown", "needs-lifespan", "expected the app to be served"),
    ("shutdown-in-flight", "aborts", "in flight answered"),
    ("shutdown-refuses", "accepts-while-stopping", "found them served"),
    ("shutdown-idle", "keeps-idle", "found it open"),
]
"""A check, a fault, and what its evidence then says."""
AT_THE_START = {"no-lifespan", "lifespan-bare", "one-state"}
"""Faults of what happened before the check, so that it needs a server that was started with them."""


@pytest.fixture(scope="module")
def manners(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Manners]:
    with served(SCRIPT, frozenset({"h1"}), tmp_path_factory.mktemp("manners")) as manners:
        yield manners


@pytest.fixture(scope="module")
def shared(manners: Manners) -> Iterator[OwnTarget]:
    with manners.impatient("h1", 0.5) as target:
        yield target


def test_every_check_passes_on_a_server_that_behaves(manners: Manners) -> None:
    manners.assert_all_pass("h1", BY_NAME.values())


@pytest.mark.parametrize(("name", "fault", "evidence"), FAULTS)
def test_a_check_fails_on_a_server_with_the_fault_that_it_looks_for(
    name: str, fault: str, evidence: str, manners: Manners, shared: OwnTarget
) -> None:
    with manners.faulty(fault):
        if fault in AT_THE_START:
            with manners.impatient("h1", 0.5) as target:
                assert_fails(BY_NAME[name], evidence, "h1", target)
        else:
            assert_fails(BY_NAME[name], evidence, "h1", shared)


def test_there_is_a_fault_for_every_check() -> None:
    assert {name for name, _, _ in FAULTS} == set(BY_NAME)


WSGI = """
import importlib, sys
from wsgiref.simple_server import make_server
host, port, target = sys.argv[1:]
module, _, name = target.partition(":")
make_server(host, int(port), getattr(importlib.import_module(module), name)).serve_forever()
"""


def test_a_server_of_wsgi_apps_is_asked_what_the_twin_of_the_probe_can_tell(manners: Manners) -> None:
    def command(launch: Launch) -> list[str]:
        return [sys.executable, "-c", WSGI, launch.host, str(launch.port), launch.target]

    server = Server("wsgiref", (), frozenset({"h1"}), command, interface="wsgi")
    names = ("http10-close", "streaming", "date", "unread-body", "scope-path", "disconnect", "host-missing")
    asked = [BY_NAME[name] for name in names]
    found = Survey([server], ["h1"], asked, {}, lambda _: None).run(manners.bench(5))
    assert {entry.check: entry.outcome for entry in found} == {
        "http10-close": "pass",
        "streaming": "pass",
        "date": "pass",
        "unread-body": "pass",
        "scope-path": "n/a",
        "disconnect": "n/a",
        "host-missing": "fail",
    }

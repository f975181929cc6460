"""Each check passes on a server that behaves, and fails on the same server with one fault."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from harness.check.runner import Survey, attempt, checks
from harness.model.targets import Launch, Server
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
    ("pipelining", "swaps", "in this order"),
    ("unread-body", "reparses-body", "served as a request"),
    ("empty-line-first", "no-empty-line", "found 400"),
    ("byte-by-byte", "impatient", "found 400"),
    ("chunked-request", "no-chunks", "b'hello, world'"),
    ("chunk-extension", "no-chunk-extension", "found 400"),
    ("request-trailer", "no-trailers-in", "found 400"),
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
    ("host-invalid", "no-host-check", "Host: a/b: 200"),
    ("absolute-form", "no-absolute-form", "404"),
    ("absolute-form-host", "keeps-host", "the app got the host [b'a']"),
    ("space-before-header", "space-first", "taken for a header"),
    ("version-major", "any-version", "HTTP/3.7: 200"),
    ("version-minor", "no-later-minor", "HTTP/1.2: 400"),
    ("http10-transfer-encoding", "never-closes", "left open"),
    ("gzip-chunked", "lenient-coding", "still in gzip"),
    ("chunked-twice", "lenient-coding", "chunked, chunked: 200"),
    ("smuggling-cl-te", "length-wins", "Content-Length did"),
    ("smuggling-cl-te", "goes-on", "served as a request"),
    ("smuggling-two-lengths", "first-length", "200"),
    ("content-length-malformed", "lenient-length", "Content-Length: +5: 200"),
    ("content-length-malformed", "stays-after-refusal", "left open"),
    ("smuggling-codings", "lenient-coding", "Transfer-Encoding: identity: 200"),
    ("chunk-malformed", "lenient-chunk", "size with a sign: 200"),
    ("chunk-overflow", "lenient-chunk", "size beyond 64 bits: 200"),
    ("chunk-bare-lf", "lenient-chunk", "extension ended by LF: 200"),
    ("header-size", "wordless", "closed without one"),
    ("header-count", "wordless", "closed without one"),
    ("target-size", "wordless", "closed without one"),
    ("request-line-8000", "short-lines", "8,000 bytes: 414"),
    ("head-limit", "no-limits", "25,600 headers: 200"),
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
    ("scope-header-case", "keeps-case", "found Host"),
    ("scope-addresses", "text-ports", "of str and str"),
    ("scope-asgi", "no-versions", "expected asgi"),
    ("scope-extensions", "odd-extensions", "expected a dict of extensions"),
    ("scope-extensions", "odd-extension", "expected a dict for each"),
    ("extension-trailers", "no-trailers", "expected the body and the trailer"),
    ("extension-early-hint", "no-hints", "expected 103"),
    ("extension-pathsend", "no-file", "expected the file"),
    ("lifespan-startup", "serves-at-once", "expected no request before"),
    ("lifespan-scope", "lifespan-bare", "expected asgi"),
    ("lifespan-shutdown", "no-shutdown", "expected lifespan.shutdown"),
    ("lifespan-shutdown", "hasty-shutdown", "expected the server to wait for the app's answer"),
    ("lifespan-shutdown", "accepts-while-stopping", "expected no connection served"),
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
AT_THE_START = {"lifespan-bare", "one-state"}
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


@pytest.mark.parametrize(
    ("name", "manner", "outcome", "evidence"),
    [
        ("shutdown-in-flight", "short-grace", "pass", "answered, closed"),
        ("lifespan-startup", "no-lifespan", "n/a", "no lifespan scope"),
        ("lifespan-shutdown", "no-lifespan", "n/a", "no lifespan scope"),
        ("pipelining", "always-closes", "n/a", "after 1 of 3 answers"),
        ("header-size", "no-limits", "pass", "the most that were tried"),
    ],
)
def test_what_breaks_no_rule_is_no_failure(
    name: str, manner: str, outcome: str, evidence: str, manners: Manners
) -> None:
    with manners.faulty(manner), manners.impatient("h1", 5) as target:
        entry = attempt("h1", BY_NAME[name], target)
    assert entry.outcome == outcome, entry.evidence
    assert evidence in entry.evidence


def test_versions_and_extensions_are_told_as_values(shared: OwnTarget) -> None:
    assert attempt("h1", BY_NAME["scope-asgi"], shared).value == "2.5"
    entry = attempt("h1", BY_NAME["scope-extensions"], shared)
    assert entry.value == "early_hint, made_up, pathsend, trailers"
    assert "http.response.made_up (no check of its own)" in entry.evidence


def test_a_story_of_a_shutdown_tells_the_signal(shared: OwnTarget) -> None:
    assert "! SIGTERM to the server\n" in attempt("h1", BY_NAME["shutdown-in-flight"], shared).evidence


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

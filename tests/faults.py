"""The index of faults: what each name makes a faulty server do, and which checks must notice it.

A server is conformant until a test gives it one of these names; several names, separated by spaces, apply together.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple

from harness.check.model import Outcome


class Fault(NamedTuple):
    """A fault, or a behaviour that looks like one."""

    server: Literal["http1", "http2", "websocket", "processes"]
    """`tests/integration/faulty_<server>_server.py` has it."""
    name: str
    does: str
    """What the server then does."""
    evidence: Mapping[str, str]
    """The checks that must notice it, and what their evidence then contains."""
    outcome: Outcome = "fail"
    """The outcome of these checks; another one than fail where the behaviour breaks no rule."""
    at_start: bool = False
    """Does it only apply to a server that is started with it?"""
    timeout_s: float | None = None
    """Used in place of the short timeout with which faults are found quickly."""


HTTP1_MALFORMED = (
    Fault(
        "http1",
        "lenient-request-line",
        "reads a path out of any request line",
        {"malformed-request-line": "version: 200"},
    ),
    Fault("http1", "lenient-field", "accepts any header line", {"malformed-header": "no colon: 200"}),
    Fault("http1", "space-before-colon", "strips spaces after header names", {"space-before-colon": "200"}),
    Fault("http1", "keeps-0", "leaves NUL in header values", {"header-nul": "x00"}),
    Fault("http1", "keeps-13", "leaves CR in header values", {"header-bare-cr": "\\r"}),
    Fault("http1", "keeps-10", "leaves LF in header values", {"header-bare-lf": "\\n"}),
    Fault("http1", "keeps-fold", "leaves a line fold in header values", {"obs-fold": "\\r\\n b"}),
    Fault(
        "http1",
        "no-host-check",
        "accepts any number of Host headers with any value",
        {"host-missing": "no Host: 200", "host-twice": "two Hosts: 200", "host-invalid": "Host: a/b: 200"},
    ),
    Fault(
        "http1", "refuses-absolute-form", "refuses targets in absolute-form", {"absolute-form": "absolute-form: 400"}
    ),
    Fault("http1", "no-absolute-form", "takes an absolute-form target for a path", {"absolute-form-path": "404"}),
    Fault(
        "http1",
        "no-absolute-form",
        "takes an absolute-form target for a path",
        {"absolute-form-host": "as absolute-form-path says"},
        "n/a",
    ),
    Fault(
        "http1",
        "lenient-spaces",
        "takes any whitespace in the request line for a space",
        {"request-line-spaces": "two spaces before the target: 200"},
    ),
    Fault("http1", "raw-target", "accepts any octet in a target", {"target-utf8": "UTF-8 in the query: 200"}),
    Fault(
        "http1",
        "connects",
        "gives CONNECT to the app",
        {"connect-port": "example.com:99999: 200", "connect": "CONNECT: 200 with content-length"},
    ),
    Fault(
        "http1",
        "drops-body",
        "drops the body of a request with Upgrade",
        {"upgrade-h2c-body": "200 in HTTP/1.1, the app got "},
    ),
    Fault("http1", "refuses-upgrade", "refuses requests with Upgrade", {"upgrade-h2c": "400 in HTTP/1.1"}),
    Fault(
        "http1",
        "any-extension",
        "accepts control characters in chunk extensions",
        {"chunk-extension-control": "extension with NUL: 200"},
    ),
    Fault(
        "http1",
        "500-for-chunks",
        "answers 500 to a malformed chunk",
        {"chunk-malformed": "500", "chunk-bare-lf": "500", "chunk-extension-control": "500"},
    ),
    Fault("http1", "keeps-10", "leaves LF in trailers", {"trailer-bare-lf": "1 of the two requests served"}),
    Fault(
        "http1",
        "keeps-host",
        "gives the app the Host header of an absolute-form target",
        {"absolute-form-host": "the app got the host ['a']"},
    ),
    Fault("http1", "space-first", "strips spaces before header names", {"space-before-header": "taken for a header"}),
    Fault("http1", "any-version", "accepts any version of HTTP", {"version-major": "HTTP/3.7: 200"}),
    Fault("http1", "no-later-minor", "accepts no minor version after 1.1", {"version-minor": "HTTP/1.2: 400"}),
    Fault(
        "http1",
        "lenient-coding",
        "takes any transfer coding for chunked",
        {
            "gzip-chunked": "still in gzip",
            "chunked-twice": "chunked, chunked: 200",
            "smuggling-codings": "Transfer-Encoding: identity: 200",
            "transfer-encoding-lines": "in two lines: 200",
        },
    ),
    Fault("http1", "length-wins", "prefers Content-Length to chunked", {"smuggling-cl-te": "Content-Length did"}),
    Fault(
        "http1",
        "keeps-after-both",
        "keeps the connection after Content-Length with chunked",
        {"smuggling-cl-te": "served as a request"},
    ),
    Fault("http1", "first-length", "uses the first of several Content-Lengths", {"smuggling-two-lengths": "200"}),
    Fault(
        "http1",
        "lenient-length",
        "takes any Content-Length for 5",
        {"content-length-malformed": "Content-Length: +5: 200"},
    ),
    Fault(
        "http1",
        "stays-after-refusal",
        "keeps the connection after a refusal",
        {"content-length-malformed": "left open"},
    ),
    Fault(
        "http1",
        "lenient-chunk",
        "reads a digit out of any chunk size, and accepts LF for CR LF",
        {
            "chunk-malformed": "size with a sign: 200",
            "chunk-overflow": "size beyond 64 bits: 200",
            "chunk-bare-lf": "extension ended by LF: 200",
        },
    ),
    Fault(
        "http1",
        "no-refusal",
        "closes in place of a refusal",
        {
            "header-size": "closed without one",
            "header-count": "closed without one",
            "target-size": "closed without one",
        },
    ),
    Fault("http1", "short-lines", "accepts request lines up to 4 KiB", {"request-line-8000": "8,000 bytes: 414"}),
    Fault("http1", "no-limits", "accepts a request head of any size", {"head-limit": "25,600 headers: 200"}),
    Fault(
        "http1", "no-limits", "accepts a request head of any size", {"header-size": "the most that were tried"}, "pass"
    ),
)

HTTP1_MESSAGES = (
    Fault("http1", "always-closes", "closes after every response", {"keep-alive": "expected two responses"}),
    Fault("http1", "always-closes", "closes after every response", {"pipelining": "after 1 of 3 responses"}, "n/a"),
    Fault(
        "http1",
        "never-closes",
        "keeps every connection open",
        {
            "http10-close": "found it open",
            "connection-close": "found it open",
            "http10-transfer-encoding": "left open",
        },
    ),
    Fault(
        "http1", "chunks-for-all", "sends chunks to HTTP/1.0 too", {"http10-no-chunks": "expected no Transfer-Encoding"}
    ),
    Fault("http1", "wrong-body", "answers the first request with another body", {"pipelining": "in this order"}),
    Fault("http1", "reparses-body", "takes an unread body for a request", {"unread-body": "served as a request"}),
    Fault("http1", "no-empty-line", "takes an empty line for a request line", {"empty-line-first": "found 400"}),
    Fault("http1", "whole-head-only", "refuses a head that does not arrive at once", {"byte-by-byte": "found 400"}),
    Fault("http1", "no-chunks", "ignores chunked", {"chunked-request": "b'hello, world'"}),
    Fault("http1", "no-chunk-extension", "refuses chunk extensions", {"chunk-extension": "found 400"}),
    Fault("http1", "no-trailers-in", "refuses trailers of requests", {"request-trailer": "found 400"}),
    Fault("http1", "wrong-size", "sends chunk sizes that are too large by one", {"response-framing": "chunk"}),
    Fault(
        "http1", "doubles-chunks", "sends the app's Transfer-Encoding too", {"app-transfer-encoding": "chunked once"}
    ),
    Fault(
        "http1", "no-expect", "answers Expect with 417", {"expect-continue": "found 417", "expect-refused": "found 417"}
    ),
    Fault("http1", "body-for-head", "sends a body in response to HEAD", {"head": "not a status line"}),
    Fault(
        "http1",
        "body-for-streamed-head",
        "sends the chunks of a streamed response to HEAD",
        {"head-streamed": "not a status line"},
    ),
    Fault("http1", "two-dates", "adds a Date to the app's", {"app-date-server": "2 Date"}),
    Fault("http1", "bytearrays", "gives bodies as bytearray", {"request-body-type": "given as bytearray"}),
    Fault(
        "http1",
        "merges-trailers",
        "adds trailers to the headers of the scope",
        {"trailer-headers": "Authorization in several segments: the app got ['forged.example']"},
    ),
    Fault(
        "http1",
        "hangs-later",
        "answers no exception after one in a response",
        {"app-raises-later": "after GET /raise-midway, found nothing to an exception, 200 to others"},
    ),
    Fault(
        "http1",
        "forgets-cancelled",
        "reports a disconnect after a receive() that was cancelled",
        {"receive-cancelled": "expected the whole body, found None"},
    ),
    Fault("http1", "length-for-204", "sends Content-Length in a 204", {"status-204": "no content-length"}),
    Fault("http1", "body-for-304", "sends a body in a 304", {"status-304": "not a status line"}),
    Fault("http1", "no-date", "sends no Date", {"date": "expected one Date"}),
    Fault(
        "http1",
        "no-500",
        "closes in place of a 500",
        {"app-raises": "closed without a response", "app-silent": "closed without a response"},
    ),
    Fault(
        "http1",
        "completes",
        "completes what the app left incomplete",
        {
            "app-raises-midway": "found it complete",
            "app-raises-midway-length": "found it complete",
            "app-starts-only": "found it complete",
            "app-body-short": "found it complete",
        },
    ),
    Fault(
        "http1",
        "no-length-check",
        "sends more bytes than Content-Length says",
        {"app-body-long": "not a status line"},
    ),
    Fault("http1", "injects", "sends CR LF in header values", {"header-injection": "x-injected"}),
    Fault("http1", "holds-back", "sends nothing before the app has ended", {"streaming": "while the app waits"}),
    Fault("http1", "reads-ahead", "reads bodies before the app does", {"upload-back-pressure": "64 MiB accepted"}),
    Fault("http1", "no-drain", "never waits for the client to read", {"slow-reader": "64 MiB accepted"}),
    Fault(
        "http1",
        "late-disconnect",
        "reports a disconnect seconds later",
        {"disconnect": "expected http.disconnect", "disconnect-streaming": "expected http.disconnect"},
    ),
    Fault(
        "http1",
        "half-is-complete",
        "takes a body that was cut off for complete",
        {"disconnect-upload": "as if complete"},
    ),
    Fault("http1", "odd-error", "raises ValueError from a late send()", {"send-after-disconnect": "ValueError"}),
    Fault(
        "http1",
        "request-after-answer",
        "returns http.request after the response",
        {"receive-after-answer": "found http.request"},
    ),
)

HTTP1_SCOPE = (
    Fault("http1", "text-query", "gives query_string as text", {"scope-types": "query_string is str"}),
    Fault("http1", "bare-version", "gives http_version 1", {"scope-method-version": "('1', 'GET')"}),
    Fault("http1", "other-scheme", "gives the scheme https without TLS", {"scope-scheme": "'https'"}),
    Fault("http1", "raw-path", "gives the path percent-encoded", {"scope-path": "%20"}),
    Fault("http1", "decoded-query", "gives the query_string decoded", {"scope-query": "query_string"}),
    Fault("http1", "rooted", "gives the root_path /root", {"scope-root-path": "/root"}),
    Fault("http1", "text-headers", "gives header names as text", {"scope-headers": "expected bytes"}),
    Fault("http1", "keeps-case", "gives header names capitalised", {"scope-header-case": "found Host"}),
    Fault("http1", "text-ports", "gives ports as text", {"scope-addresses": "of str and str"}),
    Fault("http1", "no-versions", "gives an empty asgi dict", {"scope-asgi": "expected asgi"}),
    Fault(
        "http1", "odd-extensions", "gives extensions as a list", {"scope-extensions": "expected a dict of extensions"}
    ),
    Fault("http1", "odd-extension", "gives None for each extension", {"scope-extensions": "expected a dict for each"}),
    Fault("http1", "no-trailers", "drops trailers", {"extension-trailers": "expected the body and the trailer"}),
    Fault("http1", "no-hints", "drops early hints", {"extension-early-hint": "expected 103"}),
    Fault("http1", "no-file", "sends an empty body for pathsend", {"extension-pathsend": "expected the file"}),
)

HTTP1_LIFE = (
    Fault("http1", "serves-at-once", "serves before start-up ends", {"lifespan-startup": "expected no request before"}),
    Fault(
        "http1",
        "lifespan-without-asgi",
        "leaves asgi out of the scope",
        {"lifespan-scope": "expected asgi"},
        at_start=True,
    ),
    Fault("http1", "no-shutdown", "sends no lifespan.shutdown", {"lifespan-shutdown": "expected lifespan.shutdown"}),
    Fault(
        "http1",
        "no-shutdown-wait",
        "does not wait for the answer to lifespan.shutdown",
        {"lifespan-shutdown": "expected the server to wait for the app's answer"},
    ),
    Fault(
        "http1",
        "accepts-while-stopping",
        "serves new connections after SIGTERM",
        {"lifespan-shutdown": "expected no connection served", "shutdown-refuses": "found them served"},
    ),
    Fault("http1", "one-state", "shares state without a copy", {"lifespan-state": "expected a copy"}, at_start=True),
    Fault("http1", "serves-after-failure", "ignores a failed start-up", {"lifespan-failed": "found that it serves"}),
    Fault("http1", "exits-0", "exits with 0 after a failed start-up", {"lifespan-failed": "exit status 0"}),
    Fault("http1", "hides-message", "does not log the app's message", {"lifespan-failed": "message in the log"}),
    Fault("http1", "needs-lifespan", "exits if the app has no lifespan", {"lifespan-unknown": "the app to be served"}),
    Fault(
        "http1",
        "no-lifespan",
        "calls the app without a lifespan scope",
        {"lifespan-startup": "no lifespan scope", "lifespan-shutdown": "no lifespan scope"},
        "n/a",
        at_start=True,
    ),
    Fault("http1", "aborts", "cuts connections on SIGTERM", {"shutdown-in-flight": "in flight answered"}),
    Fault("http1", "no-interrupt", "ends at once on SIGINT", {"shutdown-sigint": "in flight answered"}),
    Fault(
        "http1",
        "waits-for-readers",
        "waits for clients that do not read",
        {"shutdown-unread": "s after SIGTERM"},
    ),
    Fault("http1", "keeps-idle", "keeps idle connections on SIGTERM", {"shutdown-idle": "found it open"}),
    Fault(
        "http1",
        "short-grace",
        "gives requests in flight 0.8 seconds after SIGTERM",
        {"shutdown-in-flight": "answered, closed"},
        "pass",
        at_start=True,
        timeout_s=5,
    ),
)

HTTP2 = (
    Fault("http2", "prefers-http1", "prefers http/1.1 by ALPN", {"h2-alpn": "chose http/1.1"}, at_start=True),
    Fault("http2", "no-http1", "answers HTTP/1.1 with 400", {"h2-alpn-http1": "400 Bad Request"}, at_start=True),
    Fault(
        "http2", "late-settings", "sends a PING first", {"h2-preface": "expected SETTINGS as the server's first frame"}
    ),
    Fault("http2", "keeps-bad-preface", "ignores a wrong preface", {"h2-bad-preface": "kept"}),
    Fault("http2", "any-preface", "needs no SETTINGS after the preface", {"h2-preface-no-settings": "kept"}),
    Fault("http2", "no-ack", "does not acknowledge SETTINGS", {"h2-settings-ack": "0 acknowledgements"}),
    Fault(
        "http2",
        "no-pong",
        "does not acknowledge PING",
        {"h2-ping": "not acknowledged", "h2-rapid-reset": "the connection hangs"},
    ),
    Fault("http2", "no-extensions", "refuses unknown frames", {"h2-unknown": "no response"}),
    Fault("http2", "leaves-at-goaway", "reads no more after GOAWAY, and closes", {"h2-client-goaway": "no response"}),
    Fault("http2", "no-goaway", "sends no GOAWAY on SIGTERM", {"h2-goaway-shutdown": "no GOAWAY was received"}),
    Fault(
        "http2",
        "aborts",
        "cuts connections on SIGTERM",
        {"h2-goaway-shutdown": "expected the stream in flight to be answered"},
    ),
    Fault(
        "http2",
        "waits-for-readers",
        "waits for clients that do not read",
        {"h2-shutdown-unread": "s after SIGTERM"},
    ),
    Fault("http2", "names-none", "names stream 0 in GOAWAY", {"h2-goaway-shutdown": "names 0 as the last one"}),
    Fault(
        "http2", "drops-requests", "closes after 1,000 requests without answering all", {"h2-many-requests": "lost: ["}
    ),
    Fault("http2", "stays-after-error", "keeps the connection after an error", {"h2-closed-after-error": "open after"}),
    Fault(
        "http2",
        "ignores-windows",
        "ignores windows when it sends",
        {
            "h2-window-stream": "rejected by h2: FlowControlError",
            "h2-window-zero": "rejected by h2: FlowControlError",
            "h2-window-connection": "rejected by h2: FlowControlError",
        },
    ),
    Fault(
        "http2",
        "stops-at-window",
        "does not go on after a window was used up",
        {
            "h2-window-stream": "after WINDOW_UPDATE 1,000",
            "h2-window-settings": "without an end",
            "h2-window-negative": "widened by 100 more: 0 bytes",
        },
    ),
    Fault("http2", "blocks-all", "stops all streams for one without a window", {"h2-window-blocked": "no response"}),
    Fault("http2", "no-updates", "sends no WINDOW_UPDATE", {"h2-upload": "65,535 of 2,097,152 bytes sent"}),
    Fault(
        "http2",
        "reads-ahead",
        "gives room before the app reads",
        {"h2-upload-back-pressure": "would accept more"},
    ),
    Fault(
        "http2",
        "one-at-a-time",
        "calls the app for one stream after the other",
        {"h2-streams-at-once": "1 in the app", "h2-streams-interleaved": "another: no response"},
    ),
    Fault("http2", "few-streams", "allows 10 streams at once", {"h2-streams-at-once": "the limit is 10"}),
    Fault(
        "http2",
        "no-limit",
        "announces a limit of streams and does not enforce it",
        {"h2-streams-one-too-many": "was served while the others waited"},
    ),
    Fault(
        "http2",
        "no-disconnect",
        "reports no disconnects",
        {"h2-reset": "not told", "h2-connection-lost": "0 were told"},
    ),
    Fault(
        "http2",
        "hangs",
        "leaves a stream open when the app fails",
        {"h2-app-raises": "no response", "h2-app-answers-nothing": "no response"},
    ),
    Fault(
        "http2",
        "completes",
        "completes what the app left incomplete",
        {"h2-app-raises": "/raise: 200", "h2-app-raises-midway": "/raise-midway: 200"},
    ),
    Fault(
        "http2",
        "hangs-later",
        "leaves streams open after the app has failed once",
        {"h2-app-raises-later": "before its own: no response"},
    ),
    Fault("http2", "no-trailers-in", "closes on trailers of requests", {"h2-request-trailers": "no response"}),
    Fault("http2", "no-trailers", "sends other trailers", {"h2-response-trailers": "with trailers [('x-none', '')]"}),
    Fault("http2", "no-hints", "drops early hints", {"h2-early-hint": "interim responses []"}),
    Fault("http2", "odd-extension", "gives None for each extension", {"h2-extensions": "expected a dict for each"}),
    Fault(
        "http2",
        "body-for-head",
        "sends a body with HEAD, 204 and 304",
        {
            "h2-head": "InvalidBodyLengthError",
            "h2-head-streamed": "InvalidBodyLengthError",
            "h2-no-content": "4 bytes",
        },
    ),
    Fault("http2", "two-dates", "adds a Date to the app's", {"h2-app-date-server": "2 Date"}),
    Fault(
        "http2",
        "general-codes",
        "names every connection error PROTOCOL_ERROR",
        {"h2-error-codes": "PING of 7: GOAWAY PROTOCOL_ERROR"},
    ),
    Fault(
        "http2",
        "other-codes",
        "names every connection error SETTINGS_TIMEOUT",
        dict.fromkeys(
            ("h2-hpack", "h2-frame-size", "h2-frame-too-large", "h2-window-overflow"), "GOAWAY SETTINGS_TIMEOUT"
        ),
    ),
    Fault("http2", "no-continue", "ignores Expect", {"h2-expect-continue": "before the body: nothing"}),
    Fault("http2", "counts-padding", "gives padding to the app", {"h2-padding": "body\\x00"}),
    Fault("http2", "no-continuation", "refuses CONTINUATION", {"h2-continuation": "no response"}),
    Fault("http2", "keeps-pseudo", "leaves pseudo-headers in the scope", {"h2-authority": "pseudo-headers: [':"}),
    Fault(
        "http2",
        "no-validation host-wins",
        "gives the app the host header in place of :authority",
        {"h2-authority-and-host": "other.example"},
    ),
    Fault("http2", "says-1.1", "gives http_version 1.1", {"h2-scope": "1.1"}),
    Fault(
        "http2",
        "no-websocket",
        "advertises CONNECT and does not answer it",
        {"h2-websocket": "expected 200 to CONNECT"},
    ),
    Fault(
        "http2",
        "no-validation",
        "does not validate headers, nor join cookies",
        {
            "h2-cookies": "['a=1', 'b=2']",
            **dict.fromkeys(
                (
                    *("h2-pseudo-missing", "h2-pseudo-twice", "h2-pseudo-late", "h2-pseudo-unknown", "h2-header-name"),
                    *("h2-header-value", "h2-header-space", "h2-connection-headers", "h2-te"),
                ),
                "the app was called",
            ),
        },
    ),
    Fault(
        "http2",
        "no-validation ignores-errors",
        "accepts any length of a body",
        {"h2-content-length": "5 said, none sent: 200"},
    ),
    Fault(
        "http2",
        "ignores-errors",
        "ignores frames that are protocol errors",
        {
            "h2-header-flood": "accepted, and more would be",
            **dict.fromkeys(
                (
                    *("h2-stream-zero", "h2-connection-frames", "h2-idle-stream", "h2-stream-id", "h2-frame-too-large"),
                    *("h2-frame-size", "h2-settings-value", "h2-window-overflow", "h2-window-no-increment", "h2-hpack"),
                    *("h2-continuation-order", "h2-push-promise", "h2-padding-too-long"),
                ),
                "expected a ",
            ),
        },
    ),
    Fault("http2", "no-resets", "sends no RST_STREAM", {"h2-half-closed": "expected a "}),
)

WEBSOCKET = (
    Fault(
        "websocket",
        "wrong-accept",
        "sends a wrong accept token",
        {"ws-accept": "expected b's3pPLMBiTxaQ9kYGzzhZRbK+xOo='"},
    ),
    Fault("websocket", "case", "compares Upgrade with regard to case", {"ws-handshake-words": "status 400"}),
    Fault("websocket", "lenient", "accepts any handshake", {"ws-handshake-malformed": "no version: 101"}),
    Fault("websocket", "no-versions", "does not name its version", {"ws-version": "Sec-WebSocket-Version []"}),
    Fault(
        "websocket", "first-subprotocol", "replaces the app's subprotocol", {"ws-subprotocol": "the server said one"}
    ),
    Fault("websocket", "always-chooses", "chooses a subprotocol", {"ws-no-subprotocol": "the server said one"}),
    Fault("websocket", "no-headers", "drops headers of the accept", {"ws-headers": "x-probe"}),
    Fault(
        "websocket",
        "old-spec no-headers",
        "follows version 2.0, which has no headers",
        {"ws-headers": "came with 2.1, the server has 2.0"},
        "n/a",
    ),
    Fault("websocket", "raw-path", "gives the path percent-encoded", {"ws-scope": "%C3%A9"}),
    Fault("websocket", "refuses-500", "answers 500 to a rejection", {"ws-reject": "status 500"}),
    Fault(
        "websocket",
        "raises-cleanly",
        "hides that the app raised",
        {"ws-raise-early": "status 200", "ws-app-raises": "CLOSE 1000"},
    ),
    Fault(
        "websocket",
        "no-body",
        "drops the body of a denial response",
        {"ws-response": "418 b''", "ws-response-parts": "418 b''"},
    ),
    Fault("websocket", "one-part", "sends the first part of a denial response", {"ws-response-parts": "418 b'no '"}),
    Fault(
        "websocket",
        "hangs-later",
        "does not answer a handshake whose app raises after one raised in a response",
        {"ws-raises-later": "before it accepted: no answer"},
    ),
    Fault("websocket", "both-keys", "gives both text and bytes", {"ws-text": "both or neither"}),
    Fault("websocket", "text-only", "sends binary as text", {"ws-binary": "found"}),
    Fault(
        "websocket",
        "drops-empty",
        "drops empty messages",
        {"ws-empty": "found", "ws-deflate-forms": "an empty message: ['Hello']"},
    ),
    Fault("websocket", "small", "accepts messages up to 1 KiB", {"ws-large": "0 bytes back"}),
    Fault("websocket", "drops-large", "drops messages that are too big", {"ws-largest": "connection open"}),
    Fault(
        "websocket", "hangs-on-large", "hangs on messages that are too big", {"ws-largest": "too slow to tell"}, "n/a"
    ),
    Fault(
        "websocket",
        "no-joining",
        "gives each fragment to the app as a message",
        {
            "ws-fragments": "'one '",
            "ws-split-character": "''",
            "ws-deflate-fragments": "with a PING between: [''",
        },
    ),
    Fault("websocket", "no-pong", "does not answer PING", {"ws-ping": "0 PONGs"}),
    Fault("websocket", "empty-pong", "answers PING with an empty PONG", {"ws-ping": "PONG"}),
    Fault("websocket", "ends-on-pong", "ends on an unsolicited PONG", {"ws-pong": "None back"}),
    Fault("websocket", "answers-pong", "answers PONG", {"ws-pong": "1 PONGs in return"}),
    Fault("websocket", "no-inflate", "agrees to compression without doing it", {"ws-deflate": "0 back"}),
    Fault(
        "websocket",
        "one-stream",
        "stops decompressing at a final block",
        {"ws-deflate-final": "BFINAL: ['Hello', '']"},
    ),
    Fault(
        "websocket",
        "forgets-context",
        "decompresses each message by itself",
        {"ws-deflate-takeover": "back, CLOSE 1007"},
    ),
    Fault(
        "websocket",
        "any-offer",
        "agrees to any offer of compression",
        {"ws-deflate-offers": "permessage-deflate; unknown: 101, permessage-deflate"},
    ),
    Fault(
        "websocket",
        "adds-bits",
        "limits the window of clients that did not offer it",
        {"ws-deflate-response": "permessage-deflate; client_max_window_bits=15"},
    ),
    Fault(
        "websocket",
        "keeps-context",
        "refers to earlier messages although it agreed not to",
        {"ws-deflate-no-takeover": "what came back cannot be read"},
    ),
    Fault(
        "websocket",
        "wide-window",
        "refers further back than it agreed to",
        {"ws-deflate-window": "what came back cannot be read"},
    ),
    Fault(
        "websocket",
        "no-size-limit",
        "accepts messages of any size",
        {"ws-deflate-bomb": "reached the app"},
        at_start=True,
        timeout_s=5,
    ),
    Fault(
        "websocket",
        "no-close-within",
        "answers CLOSE within a message with 1002",
        {"ws-close-in-message": "back: CLOSE 1002", "ws-deflate-close": "back: CLOSE 1002"},
    ),
    Fault("websocket", "no-drain", "never waits for the client to read", {"ws-send-pressure": "would take more"}),
    Fault(
        "websocket",
        "never-sends",
        "sends no messages",
        {"ws-send-pressure": "send() took 0 bytes; once it read, sending did not go on"},
    ),
    Fault("websocket", "reads-ahead", "queues any number of messages", {"ws-receive-pressure": "would accept more"}),
    Fault(
        "websocket",
        "drops-when-full",
        "drops messages when its queue is full",
        {"ws-receive-pressure": "would accept more"},
    ),
    Fault(
        "websocket",
        "closes-when-full",
        "ends the connection when its queue is full",
        {"ws-receive-pressure": "closed the connection"},
        "pass",
    ),
    Fault("websocket", "no-close-back", "does not answer CLOSE", {"ws-close": "no CLOSE"}),
    Fault(
        "websocket",
        "always-1000",
        "tells the app 1000 for any code",
        {"ws-close": "the app got 1000", "ws-close-no-code": "the app got 1000"},
    ),
    Fault("websocket", "no-reason", "drops the reason of the app", {"ws-app-closes": "CLOSE 3001,"}),
    Fault(
        "websocket",
        "old-spec no-reason",
        "follows version 2.0, which has no reason",
        {"ws-app-closes": "came with 2.3, the server has 2.0"},
        "pass",
    ),
    Fault(
        "websocket", "stays-open", "keeps the connection when the app returns", {"ws-app-returns": "connection open"}
    ),
    Fault("websocket", "no-disconnect", "reports no disconnects", {"ws-vanished": "no websocket.disconnect"}),
    Fault("websocket", "silent-send", "raises nothing from a late send()", {"ws-late-send": "raised nothing"}),
    Fault("websocket", "odd-error", "raises ValueError from a late send()", {"ws-late-send": "ValueError"}),
    Fault("websocket", "plain-shutdown", "closes with 1000 on SIGTERM", {"ws-shutdown": "CLOSE 1000"}),
    Fault("websocket", "aborts", "cuts connections on SIGTERM", {"ws-shutdown": "no CLOSE"}),
    Fault(
        "websocket",
        "ignores-input",
        "ignores all that it receives",
        dict.fromkeys(
            (
                *("ws-utf8", "ws-unmasked", "ws-reserved", "ws-control", "ws-fragments-order", "ws-length"),
                *("ws-deflate-reserved", "ws-deflate-utf8", "ws-deflate-invalid"),
            ),
            "connection open",
        ),
    ),
    Fault("websocket", "no-close", "closes without a CLOSE", {"ws-failure-code": "no CLOSE"}),
    Fault(
        "websocket",
        "echoes-codes",
        "answers any wrong CLOSE with 1005",
        {"ws-close-code": "1015: CLOSE 1005", "ws-close-code-refused": "5000: CLOSE 1005"},
    ),
)

PROCESSES = (
    Fault(
        "processes",
        "ends-with-worker",
        "ends when a worker does",
        {
            "process-worker-killed": "and the server ended with exit status 1",
            "process-worker-replaced": "the server ended with exit status 1",
        },
    ),
    Fault(
        "processes",
        "replaces-none",
        "replaces no workers",
        {"process-worker-replaced": "found 1 of 2"},
    ),
    Fault(
        "processes",
        "no-reload",
        "ends on SIGHUP",
        {"process-reload": "the server ended with SIGHUP"},
    ),
    Fault(
        "processes",
        "orphans",
        "leaves its workers behind",
        {"process-orphans": "2 processes left"},
    ),
    Fault(
        "processes",
        "shares-port",
        "shares its port",
        {"process-port-taken": "1 worker: still runs"},
    ),
    Fault(
        "processes",
        "exits-0",
        "exits with 0 if the app cannot be imported",
        {"process-import-fails": "2 workers: ended with exit status 0"},
    ),
    Fault(
        "processes",
        "tries-again",
        "does not end if the app cannot be imported",
        {"process-import-fails": "1 worker: still runs"},
    ),
)

FAULTS = (*HTTP1_MALFORMED, *HTTP1_MESSAGES, *HTTP1_SCOPE, *HTTP1_LIFE, *HTTP2, *WEBSOCKET, *PROCESSES)

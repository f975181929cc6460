from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.text.paths import MachinePaths

PATHS = MachinePaths(["/home/ann", "/srv/my shop", "/depot", "/", ""], ["depot", "scratch"])


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("/home/ann/shop/app.py", "…/app.py"),
        ("/home/ann", "…"),
        ("/home/ann/", "…"),
        ("/home/bob", "…"),
        ("/Users/bob/shop", "…/shop"),
        ("--python=/usr/bin/python3.11", "--python=…/python3.11"),
        ("gunicorn -c/etc/gunicorn/conf.py", "gunicorn -c…/conf.py"),
        ("-I/usr/include/x", "-I…/x"),
        ("PYTHONPATH=/opt/a/b:/scratch/c/d", "PYTHONPATH=…/b:…/d"),
        ("File '/tmp/x/y.py', line 3", "File '…/y.py', line 3"),
        ("/var/log/app.log:12: failed", "…/app.log:12: failed"),
        ("file:///home/ann/x/spec.yaml", "file://…/spec.yaml"),
        ("/srv/my shop/src/main.py", "…/main.py"),
        ("/depot/x", "…"),
        ("cannot open (/scratch/one/two)", "cannot open (…/two)"),
    ],
)
def test_paths_of_the_machine_are_left_out(text: str, shown: str) -> None:
    assert PATHS.leave_out(text) == shown


@pytest.mark.parametrize(
    "text",
    [
        "GET /home/feed: expected 200, found 500",
        "POST /tmp/upload",
        "http://127.0.0.1:8000/home/ann",
        "https://example.org/usr/bin",
        "/items/42",
        "/homestead/x",
        "requests/s",
        "apps/asgi.py",
        "../home/ann/x",
        "results/2026-11-30/logs/0001-uvicorn.log",
        "/",
        "/home",
        "",
    ],
)
def test_other_text_stays(text: str) -> None:
    assert PATHS.leave_out(text) == text


@given(st.text())
def test_what_is_left_has_no_further_path(text: str) -> None:
    once = PATHS.leave_out(f"{text} /home/ann/secret-project/app.py")
    assert "secret-project" not in once
    assert PATHS.leave_out(once) == once

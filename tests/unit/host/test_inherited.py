"""What is kept out of servers and load processes, and that it is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.host import inherited

OF_SERVERS = {
    "UVICORN_ROOT_PATH": "/x",
    "GUNICORN_CMD_ARGS": "-w 7",
    "GRANIAN_LOG_LEVEL": "debug",
    "HYPERCORN_X": "1",
    "UWSGI_PROCESSES": "7",
    "H2CORN_WORKERS": "7",
    "PALFREY_WORKERS": "7",
    "WEB_CONCURRENCY": "7",
    "FORWARDED_ALLOW_IPS": "*",
    "SENDFILE": "no",
    "ASGI_THREADS": "1",
    "WEBSOCKETS_MAX_LINE_LENGTH": "10",
    "LOCUST_PROCESSES": "2",
    "PYTHONASYNCIODEBUG": "1",
}
OF_THE_APP = {
    "PATH": "/bin",
    "HOME": "/",
    "PORT": "80",
    "PYTHONPATH": "lib",
    "MY_UVICORN_X": "1",
    "PYTHONHASHSEED": "1",
}


def test_variables_of_servers_are_removed_and_all_others_stay() -> None:
    assert inherited.clean({**OF_SERVERS, **OF_THE_APP}) == OF_THE_APP


def test_what_is_kept_out_is_named_without_its_values(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home, project, other = (tmp_path / name for name in ("home", "project", "other"))
    for folder in (home, project, other):
        folder.mkdir()
    monkeypatch.setenv("HOME", str(home))
    assert inherited.list_kept_out(OF_THE_APP, [project]) == ()
    (home / ".locust.conf").touch()
    (project / "gunicorn.conf.py").touch()
    (project / "pyproject.toml").write_text("[tool.locust]\nprocesses = 2\n")
    (other / "locust.conf").touch()
    (other / "pyproject.toml").write_bytes(b"\xff[tool.other]\n")
    names = inherited.list_kept_out({"SENDFILE": "secret", "LOCUST_TAGS": "secret", **OF_THE_APP}, [project, other])
    assert names == (
        *("LOCUST_TAGS", "SENDFILE", "gunicorn.conf.py", "[tool.locust] in pyproject.toml", "locust.conf"),
        "~/.locust.conf",
    )

"""The name of a program, from the command line of its process."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.host.programs import name_program


@pytest.mark.parametrize(
    ("argv", "name"),
    [
        (["nginx: master process nginx -p /tmp/x -c /tmp/x/nginx.conf"], "nginx"),
        (["nginx: worker process", "", ""], "nginx"),
        (["/usr/sbin/nginx", "-g", "daemon off;"], "nginx"),
        (["/srv/my app/bin/proxy", "-v"], "proxy"),
        (["gunicorn: worker [shop.main:app]"], "gunicorn"),
        (["postgres: 15/main: writer"], "postgres"),
        (["puma 6.4 (tcp://0.0.0.0:3000) [shop]"], "puma"),
        (["bash", "behind_nginx.sh", "127.0.0.1", "20001"], "bash"),
        (["/srv/.venv/bin/python", "/srv/.venv/bin/uvicorn", "shop:app"], "uvicorn"),
        (["/srv/.venv/bin/python3.12", "-m", "uvicorn", "-m", "x"], "uvicorn"),
        (["python", "-X", "dev", "-W", "error", "-u", "-m", "harness.servers.x", "app"], "harness"),
        (["python3", "-Im", "granian"], "granian"),
        (["python3.13t", "manage.py", "runserver"], "manage"),
        (["pypy3", "-u", "./bin/serve.py"], "serve"),
        (["python", "-c", "from multiprocessing.spawn import spawn_main; …", "--multiprocessing-fork"], "parent"),
        (["python", "-Xfrozen_modules=off", "-c", "…"], "parent"),
        (["python3"], "parent"),
        (["python3", "-i"], "parent"),
        ([""], "parent"),
        ([], "parent"),
        (["\x1b[31m<b>red</b>"], "b"),
    ],
)
def test_a_program_is_named_as_people_call_it(argv: list[str], name: str) -> None:
    assert name_program(argv, "parent") == name


@pytest.mark.parametrize(("argv", "name"), [(["/bin/python3.12", "-c", "…"], "python3.12"), ([], "unknown")])
def test_a_program_without_a_parent_has_a_name_too(argv: list[str], name: str) -> None:
    assert name_program(argv) == name


@given(st.lists(st.text()))
def test_a_name_is_short_and_safe_to_show(argv: list[str]) -> None:
    name = name_program(argv)
    assert 0 < len(name) <= 40
    assert name.isprintable()
    assert not set(name) & set("<>&|,; \n")

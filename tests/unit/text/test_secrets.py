from __future__ import annotations

import pytest

from harness.text.secrets import Secrets, mask_argv


@pytest.mark.parametrize(
    ("argv", "masked"),
    [
        (["run", "--env", "KEY=s3cret"], ["run", "--env", "KEY=***"]),
        (["run", "--env=KEY=s3cret,OTHER=x"], ["run", "--env=KEY=***,OTHER=***"]),
        (["run", "--env", "A=1,2, B=3"], ["run", "--env", "A=***,B=***"]),
        (["run", "--env", "s3cret"], ["run", "--env", "***"]),
        (["run", "--header", "Authorization: Bearer s3cret"], ["run", "--header", "Authorization: ***"]),
        (["run", "--header=Cookie: a=b; c=d"], ["run", "--header=Cookie: ***"]),
        (["run", "--login", "POST /in user=a&pw=s3cret"], ["run", "--login", "POST /in ***"]),
        (["run", '--login=POST /in {"pw": "s3cret"}'], ["run", "--login=POST /in ***"]),
        (["run", "--users", "4", "--env"], ["run", "--users", "4", "--env"]),
        (["run", "--openapi", "https://me:s3cret@host/x"], ["run", "--openapi", "https://me:***@host/x"]),
        (["run", "--openapi", "https://s3cret@host/x"], ["run", "--openapi", "https://***@host/x"]),
        (
            ["run", "--ready-path", "/up?a=1&access_token=s3cret&b=2"],
            ["run", "--ready-path", "/up?a=1&access_token=***&b=2"],
        ),
        (["run", "--ready-path", "/up?api_key=s3cret"], ["run", "--ready-path", "/up?api_key=***"]),
        (
            ["run", "--server-args", "uvicorn=--header 'X-Key: s3cret' --ws none"],
            ["run", "--server-args", "uvicorn=--header 'X-Key: ***' --ws none"],
        ),
        (["run", "--server-args=uvicorn=--header 'X-Key: s3cret"], ["run", "--server-args=uvicorn=***"]),
        (["run", "--server-args", "uvicorn=--ws  none"], ["run", "--server-args", "uvicorn=--ws  none"]),
        (["run", "--app", "shop.main:app", "--load=rate=5"], ["run", "--app", "shop.main:app", "--load=rate=5"]),
    ],
)
def test_a_command_line_keeps_its_names_and_loses_its_values(argv: list[str], masked: list[str]) -> None:
    assert mask_argv(argv) == tuple(masked)
    assert mask_argv(masked) == tuple(masked)


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("connecting with hunter2", "connecting with ***"),
        ("connecting to postgres://me:pa55word@db/shop", "connecting to ***"),
        ("no such user for pa55word", "no such user for ***"),
        ("DEBUG is 1, 11 requests", "DEBUG is 1, 11 requests"),
        ("invalid token 'abc.def'", "invalid token '***'"),
        ("session 1234abcd is over", "session *** is over"),
        ("expected application/json", "expected application/json"),
        ("GET /items?token=xyz&page=2 HTTP/1.1", "GET /items?token=***&page=2 HTTP/1.1"),
        ("authorization: Basic dTpw", "authorization: Basic ***"),
        ("--header 'Authorization: …' may let it in", "--header 'Authorization: …' may let it in"),
        ("(b'cookie', b'theme=dark; id=9')", "(b'cookie', b'***')"),
        ("redis://:other@cache:6379/0", "redis://:***@cache:6379/0"),
        ("password=other, retrying", "password=***, retrying"),
        ("p99 12 ms on http://127.0.0.1:8000/", "p99 12 ms on http://127.0.0.1:8000/"),
    ],
)
def test_values_are_masked_wherever_text_has_them(text: str, masked: str) -> None:
    variables = {"KEY": "hunter2", "DEBUG": "1", "DATABASE": "postgres://me:pa55word@db/shop"}
    headers = [("authorization", "Bearer abc.def"), ("cookie", "id=1234abcd; a=b"), ("accept", "application/json")]
    secrets = Secrets(variables, headers)
    assert secrets.mask(text) == masked
    assert secrets.mask(masked) == masked


def test_passwords_are_masked_as_they_are_and_as_forms_have_them() -> None:
    secrets = Secrets(others=("pass & word",))
    assert secrets.mask("sent pass & word and pass+%26+word") == "sent *** and ***"

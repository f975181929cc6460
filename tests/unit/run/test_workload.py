from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from harness.catalog import listing
from harness.run.workload import digest_workload, list_files

FILE = """\"\"\"Requests to shop:app.\"\"\"

from locust import task

import payloads
from harness.load import HttpScenario, Request


class Recipes(HttpScenario):
    \"\"\"Sends them.\"\"\"

    one = Request("POST", "/a", name="POST /a", expected_body=b"1", body=payloads.BODY)

    @task(3)
    def send(self):
        self.send(self.one)
"""


def digest(folder: Path, old: str = "", new: str = "", payload: str = "BODY = b'1'") -> str:
    (folder / "shop.py").write_text(FILE.replace(old, new) if old else FILE)
    (folder / "payloads.py").write_text(payload)
    return digest_workload(listing.read_scenario(folder / "shop.py"), [])


@pytest.mark.parametrize(
    ("old", "new", "same"),
    [
        ('"/a", name', '"/b", name', False),
        ('name="POST /a"', 'name="POST /b"', False),
        ("@task(3)", "@task(1)", False),
        ('"POST", ', '"PUT", ', False),
        ("payloads.BODY", "b'2'", False),
        ('expected_body=b"1"', 'expected_body=b"2", status=201, answers=2', True),
        ('expected_body=b"1"', 'seen_body=b"2"', True),
        ("Requests to shop", "All requests to shop", True),
        ("Sends them", "Sends each of them", True),
        ("class Recipes", "# a comment\nclass Recipes", True),
    ],
)
def test_a_digest_is_of_what_is_sent_and_not_of_which_answers_are_right(
    tmp_path: Path, old: str, new: str, same: bool
) -> None:
    assert old in FILE
    assert (digest(tmp_path) == digest(tmp_path, old, new)) == same


def test_what_a_file_imports_beside_it_is_part_of_it(tmp_path: Path) -> None:
    before = digest(tmp_path, payload="import more\nBODY = more.TEXT")
    (tmp_path / "more").mkdir()
    more = tmp_path / "more" / "__init__.py"
    more.write_text("import shop\nTEXT = b'1'")
    assert digest(tmp_path, payload="import more\nBODY = more.TEXT") != before
    assert list_files(tmp_path / "shop.py") == [tmp_path / "shop.py", tmp_path / "payloads.py", more]
    assert digest(tmp_path, payload="BODY = b'2'") != digest(tmp_path)


def test_what_differs_has_a_name(tmp_path: Path) -> None:
    parts = [line.split(" ", 1) for line in digest(tmp_path).splitlines()]
    others = [line.split(" ", 1) for line in digest(tmp_path, payload="BODY = b'2'").splitlines()]
    names = [name for _, name in parts]
    assert names == ["tags", "names of headers", "names of variables", "shop.py", "payloads.py"]
    assert [name for (one, name), (other, _) in zip(parts, others, strict=True) if one != other] == ["payloads.py"]


def test_headers_tags_and_variables_are_part_of_it_by_name(tmp_path: Path) -> None:
    digest(tmp_path)
    scenario = listing.read_scenario(tmp_path / "shop.py")
    (app,) = listing.choose("apps", listing.apps(), ["asgi"])
    own = {
        digest_workload(scenario, [app]),
        digest_workload(scenario, [replace(app, headers=(("authorization", "x"),))]),
        digest_workload(replace(scenario, tags=("a",)), [app]),
        digest_workload(replace(scenario, excluded_tags=("a",)), [app]),
        digest_workload(replace(scenario, environment={"SHOP": "1"}), [app]),
    }
    assert len(own) == 5
    again = digest_workload(scenario, [replace(app, headers=(("authorization", "y"),))])
    assert again in own, "values of headers are secrets"


WITH_HEADERS = """from harness.load import HttpScenario, get

HEADERS = (("authorization", "Bearer one"),)


class Recipes(HttpScenario):
    one = get("/a", headers=HEADERS)
"""


@pytest.mark.parametrize(
    ("old", "new", "same"), [("Bearer one", "Bearer two", True), ('"authorization"', '"x-tenant"', False)]
)
def test_values_of_headers_in_a_written_scenario_are_no_part_of_it(
    tmp_path: Path, old: str, new: str, same: bool
) -> None:
    digests = []
    for text in (WITH_HEADERS, WITH_HEADERS.replace(old, new)):
        (tmp_path / "shop.py").write_text(text)
        digests.append(digest_workload(listing.read_scenario(tmp_path / "shop.py"), []))
    assert (digests[0] == digests[1]) == same


def test_files_that_it_names_are_part_of_it(tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text('NAMES = open("names.csv")\nOTHER = "..", "", "no such file", "a\\0b"\n')
    digests = []
    for names in (b"ann", b"\xff"):
        (tmp_path / "names.csv").write_bytes(names)
        digests.append(digest_workload(listing.read_scenario(tmp_path / "shop.py"), []))
    assert digests[0] != digests[1]
    assert list_files(tmp_path / "shop.py") == [tmp_path / "shop.py", tmp_path / "names.csv"]

"""`harness timeline` on releases that are there for the test alone."""

from __future__ import annotations

import os
from importlib.metadata import version
from pathlib import Path

import pytest
import uvicorn

from tests.command import harness, summary_of
from tests.integration.test_environments import wheel

pytestmark = pytest.mark.long

REAL = Path(uvicorn.__file__).parents[1]
DELEGATE = f"""
import runpy, sys
sys.path.insert(0, {str(REAL)!r})
del sys.modules["uvicorn"]
runpy.run_module("uvicorn", run_name="__main__")
"""
"""A release that is uvicorn as it is installed for the tests."""
SHORT = ("--rounds", "1", "--warmup", "50ms", "--duration", "100ms", "--slice", "50ms", "--users", "2")


def test_releases_are_measured_in_one_run_and_what_is_none_or_fails_is_told(tmp_path: Path) -> None:
    wheel(tmp_path, "uvicorn", "1.9", main=DELEGATE)
    wheel(tmp_path, "uvicorn", "1.10", main=DELEGATE)
    wheel(tmp_path, "uvicorn", "1.12", main="raise SystemExit('no licence')")
    wheel(tmp_path, "uvicorn", "2.0rc1", main=DELEGATE)
    for other in ("uvloop", "httptools", "websockets"):
        wheel(tmp_path, other, version(other))
    environment = {
        **os.environ,
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": str(tmp_path),
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
    }
    asked = ("--last", "2", "--scenarios", "plaintext", "--protocols", "h1", *SHORT)
    done = harness("timeline", "uvicorn", *asked, cwd=tmp_path, environment=environment)
    assert done.stderr == ""
    told = [line for line in done.stdout.splitlines() if line.startswith("! ")]
    assert told[0] == "! left out: uvicorn 2.0rc1: a pre-release"
    assert told[1].startswith("! not the baseline: uvicorn@1.12: ")
    assert "no licence" in told[1]
    summary = summary_of(tmp_path / "results/latest")
    assert summary["run"]["baseline"] == "uvicorn@1.10"
    verdicts = {each["case"]["server"]: each["verdict"] for each in summary["cases"]}
    assert set(verdicts) == {"uvicorn@1.10", "uvicorn@1.10-control", "uvicorn@1.12"}
    assert verdicts.pop("uvicorn@1.12") == "failed"
    assert "failed" not in verdicts.values()
    again = harness("timeline", "uvicorn", "--last", "1", cwd=tmp_path, environment=environment)
    assert (again.returncode, again.stderr) == (2, "harness: --last: expected 2 or more, found 1\n")
    own = harness("timeline", "uvicorn", "--app", "shop:app", cwd=tmp_path, environment=environment)
    assert own.stderr == "harness: --app: expected an app of the catalogue, by --apps, found shop:app\n"

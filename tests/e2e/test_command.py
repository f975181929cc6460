"""The command as people and scripts use it: real servers, real Locust, short measurements."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest

from harness.model.summaries import SUMMARY_SCHEMA
from tests.command import (
    ALONE,
    HARNESS,
    ONE,
    QUICK,
    Command,
    harness,
    records_of,
    summary_of,
)
from tests.fault_table import Fault


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, subprocess.CompletedProcess[str]]:
    """The folder of a run over four servers and three protocols, and the finished command."""
    folder = tmp_path_factory.mktemp("run")
    done = harness("run", *ALONE, "--seed", "1", "--scenarios", "plaintext,ws_echo", cwd=folder)
    return folder / "results" / "latest", done


def test_a_run_measures_every_server_on_every_protocol_that_it_speaks(
    finished: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    directory, done = finished
    assert done.returncode == 0, done.stderr
    summary = summary_of(directory)
    assert summary["schema"] == SUMMARY_SCHEMA
    by_protocol: dict[str, set[str]] = {}
    for case in summary["cases"]:
        if case["verdict"] == "unsupported":
            assert (case["case"]["server"], case["case"]["protocol"]) == ("uvicorn", "h2")
            assert case["reasons"]
            continue
        assert case["errors"]["total"] == 0, case
        assert case["throughput_rps"]["median"] > 0
        assert case["latency_us"]["max"]["median"] > 0
        assert case["cpu_us_per_request"]["median"] > 0
        assert case["memory_pss_bytes"]["peak"] > 0
        by_protocol.setdefault(case["case"]["protocol"], set()).add(case["case"]["server"])
    four = {"uvicorn", "hypercorn", "daphne", "granian"}
    assert by_protocol == {"h1": four, "h2": four - {"uvicorn"}, "ws": four}


def test_a_run_writes_its_files_and_says_where(finished: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    directory, done = finished
    names = {path.name for path in directory.iterdir()}
    assert names >= {
        "run.json",
        "trials.jsonl",
        "starts.jsonl",
        "summary.json",
        "report.md",
        "report.html",
        "logs",
        "charts",
    }
    assert {path.stem for path in (directory / "charts").glob("*.svg")} >= {
        "throughput",
        "latency",
        "cpu_cost",
    }
    assert {path.stem for path in (directory / "charts").glob("*.png")} >= {
        "throughput",
        "latency",
        "cpu_cost",
    }
    assert f"Report: {Path('results') / directory.resolve().name / 'report.html'}" in done.stdout
    assert "left" in done.stdout


def test_every_trial_is_a_record_with_the_protocol_that_was_asked_for(
    finished: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    measured = [record for record in records_of(finished[0]) if record["result"]]
    assert len(measured) == 11
    agreed = {(record["case"]["protocol"], record["result"]["connections"]["negotiated"]) for record in measured}
    assert agreed == {("h1", "http/1.1"), ("h2", "TLSv1.3 h2"), ("ws", "websocket")}


def test_report_writes_the_same_summary_again_from_the_records(
    finished: tuple[Path, subprocess.CompletedProcess[str]], harness_here: Command
) -> None:
    directory, _ = finished
    before = (directory / "summary.json").read_bytes()
    (directory / "summary.json").unlink()
    assert harness_here("report", str(directory), cwd=directory).returncode == 0
    assert (directory / "summary.json").read_bytes() == before


def test_a_user_app_is_measured_under_the_servers(tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text(
        """async def app(scope, receive, send):
    assert scope["type"] == "http"
    found = scope["path"] == "/plaintext"
    body = b"Hello, World!" if found else b"no"
    headers = [(b"content-type", b"text/plain"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200 if found else 404, "headers": headers})
    await send({"type": "http.response.body", "body": body})
"""
    )
    done = harness("run", *ALONE, *ONE, "--app", "shop:app", "--app-dir", str(tmp_path), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    (case,) = summary_of(tmp_path / "results" / "latest")["cases"]
    assert (case["case"]["app"], case["errors"]["total"]) == ("shop", 0)


def test_a_users_locust_file_runs_and_the_report_says_that_its_answers_were_not_verified(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        """from locust import FastHttpUser, task

class Mine(FastHttpUser):
    @task
    def read(self):
        self.client.get("/json")
"""
    )
    options = ("--servers", "uvicorn", "--locustfile", "mine.py", "--protocols", "h1")
    done = harness("run", *ALONE, *options, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    summary = summary_of(tmp_path / "results" / "latest")
    (case,) = summary["cases"]
    assert case["throughput_rps"]["median"] > 0
    assert case["errors"]["total"] == 0
    assert any("responses were checked only as far as that file checks them" in reason for reason in case["reasons"])


@pytest.mark.long
def test_an_open_loop_keeps_its_rate_over_two_load_processes(tmp_path: Path) -> None:
    options = ("--servers", "granian", "--scenarios", "plaintext", "--protocols", "h1,h2", "--duration", "500ms")
    done = harness(
        "run", *ALONE, *options, "--load", "rate=200,arrivals=poisson", "--load-processes", "2", cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    for case in summary_of(tmp_path / "results" / "latest")["cases"]:
        assert (case["errors"]["total"], case["offered_rps"]) == (0, 200)
        # Poisson: 100 arrivals ± 3 standard deviations.
        assert 70 <= case["requests"] <= 130


@pytest.mark.long
def test_numbers_beside_a_busy_process_are_disturbed_and_yet_valid_and_ranked(tmp_path: Path) -> None:
    """Each request is so much work that the load generator is never at its limit."""
    (tmp_path / "work.py").write_text(
        """from harness.load import HttpScenario, as_tasks, get


class Work(HttpScenario):
    tasks = as_tasks({get("/cpu/10000"): 1})
"""
    )
    busy = "import os\nos.sched_setaffinity(0, {0})\nprint(flush=True)\nwhile True: pass"
    with subprocess.Popen([sys.executable, "-c", busy], stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            process.stdout.readline()
            what = ("--servers", "uvicorn,granian", "--locustfile", "work.py", "--protocols", "h1", "--rounds", "3")
            done = harness("run", *ALONE, *what, "--server-cpus", "0", "--load-cpus", "1", cwd=tmp_path)
        finally:
            process.kill()
    assert done.returncode == 0, done.stderr
    assert "! other processes use " in done.stdout
    records = records_of(tmp_path / "results" / "latest")
    assert len(records) == 2 * 3
    for record in records:
        assert (record["verdict"], record["disturbed"]) == ("valid", True)
        assert any("absolute numbers are disturbed" in reason for reason in record["reasons"])
    cases = summary_of(tmp_path / "results" / "latest")["cases"]
    assert {(case["verdict"], case["disturbed"]) for case in cases} == {("valid", True)}
    assert all(case["rank"] in {1, 2} for case in cases)


def test_a_control_is_measured_by_default_and_rounds_are_added_for_precision(tmp_path: Path) -> None:
    precise = ("--rounds", "2", "--precision", "0.01%", "--max-rounds", "3")
    done = harness("run", *QUICK, *ONE, *precise, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    run = json.loads((tmp_path / "results" / "latest" / "run.json").read_text())
    conditions = run["conditions"]
    assert (conditions["control"], conditions["precision"], conditions["max_rounds"]) == (True, 0.0001, 3)
    assert run["complete"]
    assert {(case["server"], case["control"]) for case in run["planned"]} == {("uvicorn", False), ("uvicorn", True)}
    rounds = [each["round"] for each in records_of(tmp_path / "results/latest")]
    assert sorted(rounds) == [0, 0, 1, 1, 2, 2]


@pytest.mark.long
def test_a_capacity_is_searched_for_and_every_step_is_a_record(tmp_path: Path) -> None:
    done = harness("run", *ALONE, *ONE, "--load", "capacity=p99<200ms", cwd=tmp_path)
    assert done.returncode in {0, 3}, done.stderr  # 3: the last step met the level no more, as on a busy machine
    records = records_of(tmp_path / "results/latest")
    assert records[0]["probe"]["step"] == "doubling"
    assert [record["probe"]["final"] for record in records] == [False] * (len(records) - 1) + [True]
    (case,) = summary_of(tmp_path / "results" / "latest")["cases"]
    assert case["offered_rps"] == records[-1]["probe"]["rate_rps"]


@pytest.mark.long
def test_a_sweep_measures_shares_of_the_closed_loop_rate(tmp_path: Path) -> None:
    done = harness("run", *ALONE, *ONE, "--load", "sweep", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    cases = summary_of(tmp_path / "results" / "latest")["cases"]
    shares = {round(case["own_share"], 2) for case in cases if case["own_share"] is not None}
    assert shares >= {0.1, 0.25, 0.5, 0.7, 0.8, 0.9, 0.95, 1.05}
    assert "closed loop" in (tmp_path / "results/latest/report.md").read_text()


@pytest.mark.long
def test_worker_counts_and_apps_are_compared_in_one_run(tmp_path: Path) -> None:
    several = ("--apps", "asgi,starlette", "--workers", "1,2", "--server-cpus", "0", "--load-cpus", "1")
    done = harness("run", *ALONE, *ONE, *several, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    cases = summary_of(tmp_path / "results" / "latest")["cases"]
    assert {(case["name"], case["case"]["workers"]) for case in cases} == {
        ("asgi", 1),
        ("asgi", 2),
        ("starlette", 1),
        ("starlette", 2),
    }
    assert all(case["errors"]["total"] == 0 for case in cases)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("run", "--users", "many"),
            "harness: --users: expected whole numbers from 1 to 100000, at most 100 of them, found many",
        ),
        (("run", "--servers", "cherokee"), "harness: --servers: expected any of anycorn, daphne, "),
        (
            ("run", "--baseline", "granian", "--servers", "uvicorn"),
            "harness: --baseline: expected any of uvicorn, asgi, found granian",
        ),
        (("plan", "--colour"), "harness: No such option: --colour"),
        (("plan", "--server-cpus", "a-b"), "harness: --server-cpus: expected CPU numbers such as 0-3,8, found 'a-b'"),
        (("plan", "--load-cpus", "9999"), "harness: --load-cpus: expected CPUs of "),
        (
            ("plan", "--servers", "uvicorn@1/../.."),
            "harness: --servers: expected a version such as 2.8.6 after uvicorn@",
        ),
        (
            ("plan", "--servers", "uvicorn@"),
            "harness: --servers: expected a version such as 2.8.6 after uvicorn@, found",
        ),
        (
            ("plan", "--load", "sweep", "--precision", "5%"),
            "harness: --precision: expected --load saturate, rate or capacity with it, found sweep",
        ),
        (
            ("plan", "--rounds", "5", "--precision", "5%", "--max-rounds", "2"),
            "harness: --max-rounds: expected --rounds, 5, or more, found 2",
        ),
        (("run", "--out", "/dev/null"), "harness: --out: expected a folder that can be written to, found /dev/null ("),
        (
            ("check", "--out", "/dev/null"),
            "harness: --out: expected a folder that can be written to, found /dev/null (",
        ),
        (("report", "nowhere"), "harness: expected a run's folder, found no run.json in nowhere"),
        (("serve", "cherokee"), "harness: --servers: expected any of anycorn, daphne, "),
    ],
)
def test_bad_usage_is_one_line_and_exit_status_2(
    tmp_path: Path, arguments: tuple[str, ...], message: str, harness_here: Command
) -> None:
    done = harness_here(*arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith(message)
    assert len(done.stderr.splitlines()) == 1
    assert not list(tmp_path.iterdir())


def test_settings_that_nothing_can_be_done_with_are_told_in_one_line(tmp_path: Path, fault: Fault) -> None:
    faults: list[tuple[str, list[str | bytes], str]] = [
        ("--servers ''", ["--servers", ""], ""),
        ("--env that is not UTF-8", ["--env", b"TOKEN=\xff"], ""),
        ("--users 10²²", ["--users", "1" + 22 * "0"], ""),
        ("--rounds 10⁹", ["--rounds", "1000000000"], ""),
        ("servers = []", [], "servers = []"),
        ("duration = inf", [], "duration = inf"),
        ("a table in place of a value", [], "[users]\nfirst = 1"),
    ]
    for name, arguments, file in faults:
        (tmp_path / "harness.toml").write_text(file)
        done = subprocess.run(
            [*HARNESS, "run", *arguments],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
            env=fault.environment,
        )
        told = done.stderr.removesuffix("\n")
        assert (done.returncode, done.stdout, len(told.splitlines())) == (2, "", 1), done.stderr
        assert [path.name for path in tmp_path.iterdir()] == ["harness.toml"]
        left = fault.left()
        assert left == "nothing"
        happened = f"exit {done.returncode} before anything was started"
        fault.report(name=name, happened=happened, lost="nothing", left=left, told=told)


def test_a_working_directory_that_was_removed_is_told(tmp_path: Path, fault: Fault) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    command = f"cd {gone}; rmdir {gone}; {' '.join(HARNESS)} plan"
    done = subprocess.run(
        ["bash", "-c", command],
        env={**fault.environment, "PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        text=True,
        check=False,
    )
    told = "harness: expected a working directory, found that it has been removed; go to another one\n"
    assert (done.returncode, done.stderr) == (2, told)
    happened = f"exit status {done.returncode}"
    fault.report(
        name="working directory removed", happened=happened, lost="nothing", left=fault.left(), told=done.stderr
    )


def test_a_bad_key_in_the_file_is_named(tmp_path: Path, harness_here: Command) -> None:
    (tmp_path / "harness.toml").write_text("uesrs = 3\n")
    done = harness_here("plan", cwd=tmp_path)
    assert (done.returncode, done.stderr.partition(" expected")[0]) == (2, "harness: harness.toml: uesrs:")


def test_plan_shows_every_trial_and_starts_nothing(tmp_path: Path, harness_here: Command) -> None:
    done = harness_here("plan", "--rounds", "2", "--scenarios", "plaintext", "--protocols", "h1,h2", cwd=tmp_path)
    assert done.returncode == 0
    # Over HTTP/1.1 four servers and a control, over TLS three servers, since uvicorn has no HTTP/2, and a control.
    assert done.stdout.startswith("18 trials in 2 rounds, about ")
    lines = [line.strip() for line in done.stdout.splitlines()]
    assert lines.count("plaintext h1, 32 users: 5 turns") == lines.count("plaintext h2, 32 users: 4 turns") == 2
    for transport, count in (("clear", 5), ("TLS", 4)):
        blocks = [line.partition(f"together ({transport}): ")[2] for line in lines if f"({transport})" in line]
        assert [(len(each.split(", ")), each.count("(control)")) for each in blocks] == [(count, 1)] * 2
    assert "unsupported: uvicorn over h2" in done.stdout
    assert not list(tmp_path.iterdir())


def test_list_names_every_kind_of_entry(tmp_path: Path, harness_here: Command) -> None:
    done = harness_here("list", cwd=tmp_path)
    assert done.returncode == 0
    assert all(name in done.stdout for name in ("uvicorn-h11", "asgi", "ws_echo"))


def test_a_plan_makes_no_virtual_environment_and_takes_every_entry_once(tmp_path: Path) -> None:
    environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path / "cache")}
    entries = ("--servers", "granian@2.0.0,granian@v2.0.0", "--workers", "1,1", "--protocols", "h1,h1")
    command = [*HARNESS, "plan", *ALONE, "--scenarios", "plaintext", *entries]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("1 trial")
    assert not list(tmp_path.iterdir())


def test_a_server_that_is_not_installed_has_no_control(tmp_path: Path, harness_here: Command) -> None:
    venv.create(tmp_path / "bare", with_pip=False)
    python = str(tmp_path / "bare" / "bin" / "python")
    done = harness_here("plan", *ONE, "--python", python, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("0 trials")
    assert "unsupported: uvicorn over h1 (1 case): not installed" in done.stdout
    assert "(control)" not in done.stdout


@pytest.mark.long
def test_the_interpreter_of_every_server_and_the_commit_of_the_app_are_recorded(tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text(
        """async def app(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
    await send({"type": "http.response.body"})
"""
    )
    for arguments in (("init",), ("add", "shop.py"), ("commit", "-m", "A shop")):
        identity = ("-c", "user.name=a", "-c", "user.email=a@example.org")
        subprocess.run(["git", *identity, *arguments], cwd=tmp_path, check=True, capture_output=True)
    options = ("--app", "shop:app", "--app-dir", ".", "--python", sys.executable)
    harness("run", *ALONE, *ONE, *options, cwd=tmp_path)
    found = json.loads((tmp_path / "results" / "latest" / "run.json").read_text())["environment"]
    assert list(found["interpreters"]) == ["uvicorn"]
    python = found["machine"]["python"]
    assert found["interpreters"]["uvicorn"].startswith(f"{python['implementation']} {python['version']} (")
    assert len(found["app_commit"]) == 12

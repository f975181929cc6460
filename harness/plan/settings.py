"""One set of settings from `harness.toml`, or `[tool.harness]` in `pyproject.toml`, and the command line.

Each key of the file is an option of `harness run` and `harness plan` with the same name; an option overrides the file.
`options.py` reads them.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from harness.catalog import own_servers
from harness.model.loads import Load
from harness.model.plan import TOGETHER, Compression, Conditions, Preference, Selection
from harness.model.protocols import METHODS, PROTOCOLS, SAFE_METHODS, Method, Protocol
from harness.model.targets import Server

Names = tuple[str, ...]
SERVERS: Names = ("uvicorn", "hypercorn", "daphne", "granian")
"""The servers that are measured by default."""
WSGI_SERVERS: Names = ("gunicorn-gthread", "granian-wsgi", "uwsgi")
"""The servers that are measured by default beside `SERVERS`, with --wsgi."""
SCENARIOS: Names = ("plaintext", "echo", "ws_echo")
"""The scenarios that are measured by default."""
REFERENCE_SCENARIOS: Names = ("plaintext", "ws_echo")
"""The scenarios of the reference app, for HTTP and for WebSocket."""
MOST_USERS = 100_000
"""No load generator of one machine has more connections."""
MOST_PROCESSES = 1_000
"""No machine runs more workers or load processes in earnest."""
MOST_ROUNDS = 1_000
MOST_NUMBERS = 100
"""A list of numbers of users or workers has at most this many."""
SHORTEST_S, LONGEST_S = 0.001, 86_400.0
"""Times are from a millisecond to a day."""
LONGEST_RTT_S = 10.0
"""To the moon and back it is 2.6 s."""
MOST_LOSS = 0.5
"""With more, TCP does not connect in earnest."""
MOST_SEED = 2**32 - 1
LEAST_BODY_BYTES = 64 * 1024
"""Shorter bodies are not checked one by one."""
LEAST_LOAD_MEMORY_BYTES = 128 * 1024 * 1024
"""What a load process needs before it has users."""
MOST_BYTES = 1 << 40
"""More than any machine has for one load process."""


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a run is asked to do, before names are looked up. The descriptions are the help of the options."""

    servers: Annotated[
        Names, Meta(min_length=1, description="Comma-separated servers from `harness list`; or all.", title="A,B")
    ] = SERVERS
    server: Annotated[
        tuple[Server, ...],
        Meta(
            description="A server of your own, started by this command without a shell: "
            "'ours=gunicorn -c gunicorn.conf.py -b {address} {target}'. It is measured beside --servers. "
            f"Filled in: {', '.join(f'{{{each}}}' for each in own_servers.PLACEHOLDERS)}. "
            "Can be given several times.",
            title="NAME=COMMAND",
        ),
    ] = ()
    url: Annotated[
        tuple[Server, ...],
        Meta(
            description="A server that runs already, such as 'ours=http://127.0.0.1:9000/api': it is measured, and "
            "neither started nor stopped. Can be given several times.",
            title="NAME=URL",
        ),
    ] = ()
    pid: Annotated[
        Names,
        Meta(
            description="First process of a server of --url, for its CPU time and memory. Can be given several times.",
            title="NAME=PID",
        ),
    ] = ()
    cgroup: Annotated[
        Names,
        Meta(
            description="Control group of a server of --url, such as a container's, for its CPU time and memory. "
            "Can be given several times.",
            title="NAME=DIR",
        ),
    ] = ()
    allow_remote: Annotated[
        bool, Meta(description="Send load to servers of --url on other machines than this one.", title="")
    ] = False
    servers_from: Annotated[
        Names,
        Meta(description="Comma-separated folders of further server files, as in harness/servers.", title="DIR,…"),
    ] = ()
    server_args: Annotated[
        Names,
        Meta(
            description="Further arguments of a server's command line, such as 'gunicorn=--config gunicorn.conf.py'. "
            "Can be given several times.",
            title="SERVER=ARGS",
        ),
    ] = ()
    apps: Annotated[
        Names, Meta(min_length=1, description="Comma-separated apps from `harness list`; or all.", title="A,B")
    ] = ("asgi",)
    app: Annotated[str | None, Meta(description="Your own app, instead of --apps.", title="MODULE:CALLABLE")] = None
    wsgi: Annotated[
        str | None,
        Meta(
            description="The same app as a WSGI callable, beside --app: servers that serve WSGI are measured with it.",
            title="MODULE:CALLABLE",
        ),
    ] = None
    app_dir: Annotated[str, Meta(description="Folder from which your app is imported.", title="DIR")] = "."
    factory: Annotated[
        bool, Meta(description="The callable of --app, and --wsgi if it is the same, returns the app.", title="")
    ] = False
    python: Annotated[
        str | None,
        Meta(
            description="Interpreter that runs the servers, such as ../shop/.venv/bin/python, "
            "or its virtual environment.",
            title="FILE",
        ),
    ] = None
    env: Annotated[
        Names,
        Meta(
            description="Environment variables of your app and your Locust file; "
            "a comma is part of a value unless NAME= follows. "
            "Can be given several times.",
            title="NAME=VALUE,…",
        ),
    ] = ()
    header: Annotated[
        Names,
        Meta(
            description="Header of every request to your app, such as 'Authorization: Bearer …'. "
            "Can be given several times.",
            title="NAME: VALUE",
        ),
    ] = ()
    login: Annotated[
        str | None,
        Meta(
            description="How each user of your app logs in, once at its start: method, path and a body in JSON or as a "
            "form, such as 'POST /login user=ann&password=…'. Cookies, a bearer token and CSRF tokens are sent with "
            "each later request.",
            title="REQUEST",
        ),
    ] = None
    compression: Annotated[
        Compression,
        Meta(
            description="off, gzip or br: the Accept-Encoding of each request. Compressed answers are verified, too.",
            title="CODING",
        ),
    ] = Conditions.compression
    ready_path: Annotated[
        str,
        Meta(
            description="Path that is requested from your app until it answers; it is measured too, unless it is / or "
            "that of its OpenAPI document.",
            title="PATH",
        ),
    ] = "/"
    ready_within: Annotated[
        float,
        Meta(
            ge=SHORTEST_S,
            le=LONGEST_S,
            description="Time within which a server must give its first right answer.",
            title="TIME",
        ),
    ] = Selection.ready_within_s
    scenarios: Annotated[
        Annotated[Names, Meta(min_length=1)] | None,
        Meta(
            description="Comma-separated scenarios from `harness list`; or all. "
            f"[{', '.join(SCENARIOS)}; with --app, requests from its OpenAPI document]",
            title="A,B",
        ),
    ] = None
    path: Annotated[
        Names,
        Meta(
            description="Path that is requested from your app by GET, such as '/items?page=2', beside those of its "
            "OpenAPI document. Can be given several times.",
            title="PATH",
        ),
    ] = ()
    openapi: Annotated[
        str | None,
        Meta(
            description="Path at which your app serves its OpenAPI document, a file with it, in JSON or YAML, "
            "or none. [/openapi.json, or where frameworks usually serve it]",
            title="PATH",
        ),
    ] = None
    methods: Annotated[
        tuple[Method, ...],
        Meta(
            min_length=1,
            description="Comma-separated methods that are requested from the OpenAPI document, "
            f"of {', '.join(METHODS)}. All except get may change what your app stores.",
            title="A,B",
        ),
    ] = SAFE_METHODS
    locustfile: Annotated[
        str | None, Meta(description="Your own Locust file with any users, instead of --scenarios.", title="FILE")
    ] = None
    tags: Annotated[
        Names, Meta(description="Run only tasks of the Locust file with one of these tags.", title="A,B")
    ] = ()
    exclude_tags: Annotated[
        Names, Meta(description="Run no tasks of the Locust file with one of these tags.", title="A,B")
    ] = ()
    protocols: Annotated[
        tuple[Protocol, ...],
        Meta(min_length=1, description=f"Comma-separated protocols, of {', '.join(PROTOCOLS)}; or all.", title="A,B"),
    ] = ("h1", "h2", "ws")
    load: Annotated[
        Load,
        Meta(
            description="saturate: closed loop, each user sends its next request when the last one is answered. "
            "rate=R: open loop, R requests/s are due, evenly spaced or with ,arrivals=poisson. "
            "capacity=p99<50ms[,errors<0.1%]: search for the highest rate that meets this service level. "
            "sweep: open loops at shares of each server's own rate and at common rates.",
            title="LOAD",
        ),
    ] = Conditions.load
    users: Annotated[
        Annotated[tuple[Annotated[int, Meta(ge=1, le=MOST_USERS)], ...], Meta(min_length=1, max_length=MOST_NUMBERS)]
        | None,
        Meta(
            description="Number of users, each with one request in flight; 8,32,128 measures each number. "
            f"[{Conditions.users[0]}, or what a scenario is meant for]",
            title="N",
        ),
    ] = None
    netns: Annotated[
        bool,
        Meta(
            description="Run the servers in a network namespace of this machine, behind a link that the harness makes; "
            "needs root and iproute2.",
            title="",
        ),
    ] = False
    rtt: Annotated[
        tuple[Annotated[float, Meta(ge=0, le=LONGEST_RTT_S)], ...],
        Meta(
            min_length=1,
            max_length=MOST_NUMBERS,
            description="With --netns or --interface: round-trip time that is added to the link, such as 20ms; "
            "0,5ms,20ms measures each.",
            title="TIME",
        ),
    ] = Conditions.rtt_s
    loss: Annotated[
        float,
        Meta(
            ge=0,
            le=MOST_LOSS,
            description="With --netns or --interface: share of the packets that the link loses in each direction, such "
            "as 0.1%.",
            title="P",
        ),
    ] = Conditions.loss
    interface: Annotated[
        str | None,
        Meta(
            description="With --rtt or --loss: interface of this host that leads to --server-host or to load workers. "
            "Only packets of servers that are measured are delayed and lost; needs root, iproute2 and netem.",
            title="NAME",
        ),
    ] = None
    streams: Annotated[
        int,
        Meta(ge=1, le=MOST_USERS, description="Users that share one HTTP/2 or HTTP/3 connection.", title="N"),
    ] = Conditions.streams
    load_processes: Annotated[
        Annotated[int, Meta(ge=1, le=MOST_PROCESSES)] | Literal["auto"],
        Meta(description="Processes of the load generator; auto: one for every two CPUs.", title="N"),
    ] = 1
    server_host: Annotated[
        str | None,
        Meta(
            description="Another machine on which servers run, reached by your own ssh. Paths of --python and "
            "--app-dir are those over there.",
            title="ssh://USER@HOST",
        ),
    ] = None
    bind: Annotated[
        str | None,
        Meta(
            description="Address of --server-host that servers listen on and load is sent to; others reach them too "
            "meanwhile.",
            title="ADDRESS",
        ),
    ] = None
    server_python: Annotated[
        str | None,
        Meta(
            description="Interpreter of --server-host that has the harness; it runs the servers too, unless --python "
            "names another one. [python3]",
            title="FILE",
        ),
    ] = None
    load_workers: Annotated[
        Annotated[int, Meta(ge=1, le=MOST_PROCESSES)] | None,
        Meta(
            description="Load workers on other hosts, each started there by `harness worker`, in place of load "
            "processes here.",
            title="N",
        ),
    ] = None
    listen: Annotated[
        str | None,
        Meta(
            description="Address of this host, and a port, to which load workers connect. Anyone who reaches it can "
            "take part.",
            title="ADDRESS:PORT",
        ),
    ] = None
    allow_missing_workers: Annotated[
        bool, Meta(description="When load workers are lost, go on with those that are left.", title="")
    ] = False
    install: Annotated[
        bool,
        Meta(
            description="Install this harness and requirements-all.lock in a cache folder on --server-host, and use "
            "that; it takes minutes the first time.",
            title="",
        ),
    ] = False
    server_cpus: Annotated[
        str | None, Meta(description="CPUs for the servers, such as 0-3,8. [whole cores]", title="CPUS")
    ] = None
    load_cpus: Annotated[str | None, Meta(description="CPUs for the load generator.", title="CPUS")] = None
    workers: Annotated[
        tuple[Annotated[int, Meta(ge=1, le=MOST_PROCESSES)], ...],
        Meta(
            min_length=1,
            max_length=MOST_NUMBERS,
            description="Worker processes of each server; 1,2,4 measures each number.",
            title="N",
        ),
    ] = Conditions.workers
    rounds: Annotated[
        int, Meta(ge=1, le=MOST_ROUNDS, description="How often each case is measured, in a new order.", title="N")
    ] = Conditions.rounds
    precision: Annotated[
        Annotated[float, Meta(ge=0.0001, le=1)] | None,
        Meta(
            description="Add rounds until the intervals of throughput and CPU ÷ baseline are at most ±P, such as 5%.",
            title="P",
        ),
    ] = None
    max_rounds: Annotated[int, Meta(ge=1, le=MOST_ROUNDS, description="Most rounds with --precision.", title="N")] = (
        Conditions.max_rounds
    )
    aa: Annotated[
        bool,
        Meta(
            description="Measure the baseline a second time as a control (A/A test). "
            "This is the default; it overrides --no-control.",
            title="",
        ),
    ] = False
    no_control: Annotated[bool, Meta(description="Measure no control.", title="")] = False
    with_reference: Annotated[
        Literal["auto", "on", "off"],
        Meta(
            description="Also measure an app that does next to nothing under the same servers, and your app at half of "
            "the slowest server's rate, to tell how much the server matters; auto: for your own app, in three rounds "
            "or more, if the run stays below ten minutes or takes at most a third longer.",
            title="WHEN",
        ),
    ] = "auto"
    prefer: Annotated[
        Preference | None,
        Meta(description="Rank by throughput, p99, cpu or memory. [throughput; p99 at a given rate]", title="FIGURE"),
    ] = None
    together: Annotated[
        Annotated[int, Meta(ge=1, le=MOST_PROCESSES)] | Literal["auto"],
        Meta(
            description="Candidates that run at the same time and take turns; 1 for an app that cannot run twice, "
            f"auto: up to {TOGETHER}.",
            title="N",
        ),
    ] = "auto"
    warmup: Annotated[
        float,
        Meta(
            ge=0,
            le=LONGEST_S,
            description="Load on each candidate before each measurement; it does not count.",
            title="TIME",
        ),
    ] = Conditions.warmup_s
    duration: Annotated[
        float,
        Meta(
            ge=SHORTEST_S,
            le=LONGEST_S,
            description="Counted time of each case in a round, cut into slices.",
            title="TIME",
        ),
    ] = Conditions.duration_s
    slice: Annotated[
        Annotated[float, Meta(ge=SHORTEST_S, le=LONGEST_S)] | Literal["auto"],
        Meta(description="Counted time of each slice, such as 200ms; auto: by the service times.", title="TIME"),
    ] = "auto"
    request_timeout: Annotated[
        float,
        Meta(
            ge=SHORTEST_S,
            le=LONGEST_S,
            description="A request without an answer after this time is unanswered.",
            title="TIME",
        ),
    ] = Conditions.request_timeout_s
    max_body: Annotated[
        int,
        Meta(
            ge=LEAST_BODY_BYTES,
            le=MOST_BYTES,
            description="A longer body of an answer, or message, is an error.",
            title="SIZE",
        ),
    ] = Conditions.max_body_bytes
    load_memory: Annotated[
        int,
        Meta(
            ge=LEAST_LOAD_MEMORY_BYTES,
            le=MOST_BYTES,
            description="Memory that each load process may use.",
            title="SIZE",
        ),
    ] = Conditions.load_memory_bytes
    baseline: Annotated[
        str | None,
        Meta(description="Server or app that the others are compared with. [the first]", title="NAME"),
    ] = None
    seed: Annotated[
        Annotated[int, Meta(ge=0, le=MOST_SEED)] | None,
        Meta(description="Seed of every random choice; without it a random one, which is recorded.", title="N"),
    ] = None
    by_request: Annotated[bool, Meta(description="Print the figures of each request too.", title="")] = False
    out: Annotated[str, Meta(description="Folder for results.", title="DIR")] = "results"
    resume: Annotated[
        str | None,
        Meta(
            description="Folder of an interrupted run to continue, such as results/latest; "
            "all other options must be as they were.",
            title="RUN",
        ),
    ] = None

    def conditions(self, seed: int, load_processes: int) -> Conditions:
        """Make the conditions of a run, with the two values that settings may leave open."""
        return Conditions(
            load=self.load,
            users=self.users or Conditions.users,
            streams=self.streams,
            workers=self.workers,
            rounds=self.rounds,
            precision=self.precision,
            max_rounds=max(self.rounds, self.max_rounds),
            warmup_s=self.warmup,
            duration_s=self.duration,
            seed=seed,
            load_processes=load_processes,
            remote_load=self.load_workers is not None,
            control=self.aa or not self.no_control,
            slice_s=None if self.slice == "auto" else float(self.slice),
            together=None if self.together == "auto" else self.together,
            request_timeout_s=self.request_timeout,
            max_body_bytes=self.max_body,
            load_memory_bytes=self.load_memory,
            compression=self.compression,
            netns=self.netns,
            rtt_s=self.rtt,
            loss=self.loss,
        )

"""The Locust plugin: adds the harness's options to Locust, and starts what measures a block.

`locust -f scenarios/plaintext.py --help` shows the options. Without `--harness-block` nothing is measured, and a
scenario is an ordinary Locust file with Locust's statistics. There most options have a short name too, such as
`--rate`, unless the Locust file has an option of that name.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, get_args

from locust import events
from locust.runners import MasterRunner, WorkerRunner

from harness.load import messages
from harness.load.conductor import Conductor
from harness.load.recorder import Recorder, read_order
from harness.model.blocks import MAX_BODY_BYTES
from harness.model.loads import Arrivals
from harness.model.protocols import PROTOCOLS

if TYPE_CHECKING:
    from locust.argument_parser import LocustArgumentParser
    from locust.env import Environment
    from locust.runners import Runner


_BLOCK = "--harness-block"


@events.init_command_line_parser.add_listener
def _add_options(parser: LocustArgumentParser) -> None:
    # Locust's master sends the options to its workers, so their types must be serialisable; Path is not.
    measured = _BLOCK in sys.argv
    if not measured:
        parser.conflict_handler = "resolve"  # an option of the file takes its name over
    group = parser.add_argument_group("harness", "Options of the harness")

    def add(name: str, **about: Any) -> None:
        group.add_argument(f"--harness-{name}", *([] if measured else [f"--{name}"]), **about)

    add("protocol", choices=PROTOCOLS, help="Protocol to use; by default HTTP/1.1 or WebSocket")
    add("streams", type=int, default=1, help="HTTP/2 and HTTP/3: number of users that share a connection")
    add("authority", help="PEM file of the certificate authority to trust")
    add("request-timeout", type=float, default=30.0, help="Seconds after which a request without an answer fails")
    add("max-body", type=int, default=MAX_BODY_BYTES, help="Bytes beyond which the body of an answer is too large")
    add("rate", type=float, help="Open loop with this many requests per second; without it, a closed loop")
    add("arrivals", choices=get_args(Arrivals), default="uniform", help="Open loop: how requests are spaced in time")
    add("arrivals-seed", type=int, default=0, help="Seed for --harness-arrivals poisson")
    group.add_argument(_BLOCK, help="Measure this block of candidates, given as JSON (the harness writes it)")
    group.add_argument(
        "--harness-result", help="Write the results of the block to this JSON file, or why there are none"
    )
    group.add_argument(
        "--harness-workers", help="Wait for load workers on other hosts, as this JSON file says (the harness writes it)"
    )
    if measured:
        # A locust.conf that lies around must not change a measurement. Locust does the same to a parser of its own,
        # since only the constructor of a parser could be told. An empty working directory and home while it reads its
        # options would hide such files too, but also those that a Locust file names. The parser that finds -f before
        # this one is out of reach; it takes nothing from such a file that matters here, but must be able to read it.
        parser._default_config_files = []  # noqa: SLF001


@events.init.add_listener
def _init(environment: Environment, runner: Runner, **_: Any) -> None:
    if not isinstance(runner, MasterRunner):
        recorder = Recorder(environment, runner)
        environment.events.test_start.add_listener(recorder.start)
        environment.events.test_stopping.add_listener(recorder.stopping)
        environment.events.test_stop.add_listener(recorder.stop)
        environment.events.spawning_complete.add_listener(recorder.all_users_spawned)
        runner.register_message(messages.SLICE, recorder.slice)
        runner.register_message(messages.FINISH, recorder.finish)
        runner.register_message(messages.PLACE, recorder.take_place)
    order = read_order(environment.parsed_options)
    if order is None:
        return
    if isinstance(runner, WorkerRunner):
        runner.send_message(messages.PREPARED)
    else:
        conductor = Conductor(environment, runner, order)
        for message in (messages.READY, messages.DONE, messages.RESULT):
            runner.register_message(message, conductor.answer)
        runner.register_message(messages.PREPARED, conductor.count_prepared)
        conductor.await_workers()

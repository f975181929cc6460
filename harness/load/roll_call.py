"""Calls the roll of load workers before a run, and sends them home after it: a master that gives no work.

`python -m harness.load.roll_call JSON`, an object with `host`, `port`, `count` and `wait_s`; with `names`, all that
have been in the run are sent home, and these are waited for. Each line of its output is a JSON object: a load worker as
`worker`, as `why` the reason why one cannot take part, as `failed` the reason why none can. The exit status is 0 if
there were `count` of them, else 1, after `wait_s`.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

import gevent
from locust.exception import RPCError
from locust.rpc import Message, rpc

from harness.load import messages
from harness.load.versions import find_difference


def call(host: str, port: int, count: int, wait_s: float, names: list[str] | None = None) -> bool:
    """Answer load workers until `count` of them have come; were there so many in time?"""
    try:
        server = rpc.Server(host, port)
    except RPCError as error:
        _say({"failed": str(error)})
        return False
    known: set[str] = set()
    until_s = time.monotonic() + wait_s
    while len(known) < count:
        message = None
        with gevent.Timeout(max(0.0, until_s - time.monotonic()), False):
            try:
                _, message = server.recv_from_client()
            except RPCError:
                continue  # not a message of Locust's
        if message is None:
            return False
        if message.type != messages.HELLO:
            # One of Locust's workers, whose master was killed in mid-measurement.
            server.send_to_client(Message("quit", None, message.node_id))
            continue
        worker = message.data["worker"]
        if names is not None and worker["name"] not in names and not message.data["met"]:
            continue  # it waits for the next run
        answer = _answer(worker, home=names is not None)
        server.send_to_client(Message(messages.ANSWER, answer, message.node_id))
        if answer["do"] == messages.LEAVE:
            _say({"why": answer["why"]})
        elif worker["name"] not in known and (names is None or worker["name"] in names):
            known.add(worker["name"])
            _say({"worker": worker})
    gevent.sleep(0.1)  # until the last answer has left
    return True


def _answer(worker: dict[str, Any], *, home: bool) -> dict[str, Any]:
    if home:
        return {"do": messages.END}
    why = find_difference(worker)
    return {"do": messages.WAIT} if why is None else {"do": messages.LEAVE, "why": why}


def _say(found: dict[str, Any]) -> None:
    print(json.dumps(found), flush=True)


if __name__ == "__main__":
    sys.exit(0 if call(**json.loads(sys.argv[1])) else 1)

"""What another process does for a test: one task, given and answered in lines of JSON on stdin and stdout."""

from __future__ import annotations

import faulthandler
import json
import sys
from collections.abc import Callable
from typing import Any

from rdzv_conformance.checks.linearizability import to_json
from rdzv_conformance.checks.linearizability.recording import Client
from rdzv_conformance.harness.backend_under_test import BackendUnderTest
from rdzv_conformance.harness.expect import ClauseFailed, shown_error
from rdzv_conformance.harness.leaks.holdings import SETTLE, Holdings
from rdzv_conformance.harness.lines import Say, answer_on_stdout
from rdzv_conformance.harness.target import Target, preload
from rdzv_conformance.harness.writing import Writings, write_once
from rdzv_conformance.suite.colleague import obey
from rdzv_conformance.suite.fork_amidst import fork_amidst
from rdzv_conformance.suite.fork_process import fork_and_hammer, fork_and_use, fork_and_write
from rdzv_conformance.suite.member_forks import fork_and_add, fork_and_enter
from rdzv_conformance.suite.member_processes import enter_on, fork_and_exit, look_on
from rdzv_conformance.suite.namesakes import enter_as_a_namesake, write_as_a_namesake
from rdzv_conformance.suite.opening import open_and_tell
from rdzv_conformance.suite.processes import decode
from rdzv_conformance.suite.store_races import change_store
from rdzv_conformance.suite.store_writer import set_on
from rdzv_conformance.suite.whole import read_whole
from rdzv_core import RendezvousConnectionError


def main() -> None:
    """Read a job, say `ready`, wait for `go`, do it, say `done`; then stay until stdin ends."""
    faulthandler.enable()  # so that a crash of the interpreter says where it was
    say = answer_on_stdout()
    job = json.loads(sys.stdin.readline())
    arguments = {name: decode(value) for name, value in job["arguments"].items()}
    preload(tuple(job["preload"]))
    target = Target(job["backend"], job["endpoint"], job["options"], patience=job["patience"], pace=job["pace"])
    under_test = BackendUnderTest(target)
    under_test.run_id = job["run_id"]
    try:
        TASKS[job["task"]](under_test, say, **arguments)
    except ClauseFailed as finding:
        say("failed", message=str(finding))
    except Exception as error:  # noqa: BLE001 - told to the process that asked
        say("failed", message=shown_error(error))
    sys.stdin.readline()


def write(under_test: BackendUnderTest, say: Say, state: bytes, token: Any) -> None:
    """Write with a token that another process was given."""
    register = under_test.open()
    say("ready")
    sys.stdin.readline()
    answer = register.set_state(state, token)
    say("done", has_set=answer is not None and answer.has_set)


def hammer(under_test: BackendUnderTest, say: Say, name: str, seed: str, least: int) -> None:
    """Be one of those who do everything at once to one register, and say what happened."""
    register = under_test.open()
    register.get_state()
    say("ready")
    sys.stdin.readline()
    say("done", history=[to_json(operation) for operation in Client(register, name, seed).run(least)])


def leave_nothing(under_test: BackendUnderTest, say: Say, instances: int) -> None:
    """Use and close instances, and say what is left of them; what the first one leaves is the library's."""
    _use_and_close(under_test, 1)
    before = Holdings.now()
    say("ready")
    sys.stdin.readline()
    _use_and_close(under_test, instances)
    say("done", left=before.left_over(under_test.paced(SETTLE)))


def _use_and_close(under_test: BackendUnderTest, instances: int) -> None:
    registers = [under_test.open() for _ in range(instances)]
    for register in registers:
        sibling = register.sibling("sibling")
        for each in (register, sibling):
            found = each.get_state()
            each.set_state(b"used", found.token if found else None)
        sibling.close()
    for register in registers:
        register.close()


def write_on(under_test: BackendUnderTest, say: Say, size: int) -> None:
    """Write on and on until this process is killed, and say what is acknowledged."""
    register, told = (under_test.open(**under_test.target.as_client(), **under_test.target.impatient()), Writings())
    register.get_state()
    say("ready")
    sys.stdin.readline()
    while True:
        try:
            if write_once(register, size, told):
                say("acknowledged", used=told.used[-1], got=told.got[-1])
        except RendezvousConnectionError as error:
            if told.unknown:
                say("unknown", raised=shown_error(error))
            told.unknown = 0


TASKS: dict[str, Callable[..., None]] = {
    "write": write,
    "write_as_a_namesake": write_as_a_namesake,
    "obey": obey,
    "read_whole": read_whole,
    "write_on": write_on,
    "set_on": set_on,
    "change_store": change_store,
    "enter_on": enter_on,
    "look_on": look_on,
    "fork_and_exit": fork_and_exit,
    "fork_and_enter": fork_and_enter,
    "fork_and_add": fork_and_add,
    "enter_as_a_namesake": enter_as_a_namesake,
    "hammer": hammer,
    "fork_and_use": fork_and_use,
    "fork_and_write": fork_and_write,
    "fork_and_hammer": fork_and_hammer,
    "fork_amidst": fork_amidst,
    "leave_nothing": leave_nothing,
    "open_and_close": open_and_tell,
}

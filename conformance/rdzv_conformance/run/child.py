"""The process in which `rdzv certify` runs the suite: whatever a backend does to it, the command survives.

The job comes in as a line of JSON on stdin, what happens goes out as lines of JSON.
"""

from __future__ import annotations

import faulthandler
import json
import os
import queue
import signal
import sys
import tempfile
import threading
import traceback
from contextlib import ExitStack
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from rdzv_conformance.harness.expect import ClauseFailed, shown_error
from rdzv_conformance.harness.helpers import Helpers
from rdzv_conformance.harness.installed_helpers import installed_helpers, store_of_its_own
from rdzv_conformance.harness.leaks.detector import LEAK_DETECTOR
from rdzv_conformance.harness.lines import Say, answer_on_stdout
from rdzv_conformance.harness.target import Target, preload
from rdzv_conformance.harness.watchdog import HUNG
from rdzv_conformance.run.anchor import Anchor
from rdzv_conformance.run.capabilities import claims_of
from rdzv_conformance.run.latency import measure
from rdzv_conformance.run.runner import claimed_profiles, run_test, select_tests
from rdzv_core import RendezvousError


def main() -> None:
    """Run the job's tests: say `refused` (with why), or `plan`, then `start` and `done` for each, then `end`."""
    faulthandler.enable()  # so that a crash of the interpreter says where it was
    say = answer_on_stdout()
    line = sys.stdin.readline()
    threading.Thread(target=_follow_the_command, name="rdzv-conformance-end", daemon=True).start()
    _certify(json.loads(line), say)
    os._exit(0)  # a thread of the backend that never ends must not keep this process


_OURS = {"rdzv_core", "rdzv_conformance"}
"""The packages of which an author sees nothing in an error of his own."""
_told: queue.SimpleQueue[str] = queue.SimpleQueue()
"""What the command wants to be done next, one line each."""


def _follow_the_command() -> None:
    """Take in what it says; end this process, and all that it has started, when it is gone."""
    while line := sys.stdin.readline():
        _told.put(line.strip())
    if os.getpgid(0) == os.getpid():
        os.killpg(0, signal.SIGKILL)


def _certify(job: dict[str, Any], say: Say) -> None:
    with ExitStack() as ending:
        _in_order(job, say, ending)


def _in_order(job: dict[str, Any], say: Say, ending: ExitStack) -> None:
    own = ""
    LEAK_DETECTOR.live_in(tempfile.gettempdir())
    try:
        preload(tuple(job["preload"]))
        helpers = installed_helpers(job["backend"])
        endpoint, options = job["endpoint"], job["options"]
        if endpoint is None:
            store = ending.enter_context(
                store_of_its_own(job["backend"], helpers, Path(job["store_dir"]), job["cluster"])
            )
            helpers, options = helpers.and_those_of(store), {**store.options, **options}
            endpoint, own = store.endpoint, f"{store.endpoint} ({store.what}, started by the suite)"
        target = Target(job["backend"], endpoint, options, helpers, tuple(job["preload"]), job["patience"], job["seed"])
        anchor = Anchor(target, job["writes"])
    except (Exception, SystemExit) as error:  # noqa: BLE001 - told to the command, which prints it
        # What the backend said itself is plainer than the finding that the watchdog made of it.
        said = error.__cause__ if isinstance(error, ClauseFailed) and error.__cause__ else error
        expected = isinstance(said, (ValueError, RendezvousError, ClauseFailed, OSError))
        say("refused", message=str(said) if expected and str(said) else f"{shown_error(said)}{_place(said)}")
        return
    target = anchor.target
    with anchor:
        profiles = tuple(job["profiles"]) or claimed_profiles(anchor.backend)
        tests = select_tests(profiles)
        alone = _must_be_alone(anchor, helpers, shared=job["endpoint"] is not None)
        in_process = anchor.backend.topology == "process"
        about = {
            "in_process": in_process,
            "module": type(anchor.backend).__module__,
            "claims": claims_of(anchor.backend),
        }
        secret = [option.name for option in target.option_table() if option.secret]
        known = {**options, **(helpers.secure_options or {})}
        lent = [str(value) for name, value in known.items() if name in secret and value]
        say("pace", pace=target.pace)
        say("plan", profiles=profiles, tests=tests, alone=alone, secret=secret, lent=lent, own=own, **about)
        while (name := _ask(say)) in tests:
            say("start", test=name)
            if helpers.before_test is not None:
                helpers.before_test()
            result = run_test(target, name)
            hung = result.status == "fail" and HUNG in result.message
            if hung and target.patience < anchor.target.patience:
                result = replace(result, message=result.message + _hurried(anchor.target.patience))
            say("done", result=asdict(result))
            if hung:
                target = target.less_patient()
        if name != "measure":
            say("end")
            return
        say("measuring")
        try:
            say("measured", latency=[asdict(each) for each in measure(target)])
        except (Exception, SystemExit):  # noqa: BLE001, S110 - a report without a plot; what is wrong with the calls the tests say
            pass
        say("end")


def _place(error: BaseException) -> str:
    """Return where an error was raised, in the author's code if that is to be seen; "" where nothing is known."""
    frames = traceback.extract_tb(error.__traceback__)
    authors = [each for each in frames if not _OURS.intersection(Path(each.filename).parts)]
    return "".join(f", in {each.name} ({each.filename}:{each.lineno})" for each in (authors or frames)[-1:])


def _ask(say: Say) -> str:
    """Ask for what is to be done next: the name of a test, or `measure`, or `end`."""
    say("next")
    return _told.get()


def _must_be_alone(anchor: Anchor, helpers: Helpers, shared: bool) -> bool:
    """Return whether the tests stop, kill or empty a store that other processes of the suite would use meanwhile."""
    does = (helpers.pause, helpers.restart, helpers.restart_without_data, helpers.lose_members, helpers.truncated)
    return shared and anchor.backend.topology != "process" and any(does)


def _hurried(patience: float) -> str:
    return f" (an earlier call hung: before that it would have had {patience:.0f} s; fix that one first)"


if __name__ == "__main__":
    main()

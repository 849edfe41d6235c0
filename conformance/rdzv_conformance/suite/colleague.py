"""Another process with instances of its own, which reads and writes when it is told to."""

from __future__ import annotations

import json
import sys
from types import TracebackType
from typing import Any

from rdzv_conformance.harness.backend_under_test import BackendUnderTest
from rdzv_conformance.harness.lines import Say
from rdzv_conformance.harness.register import Register
from rdzv_conformance.suite.changes import Changes
from rdzv_conformance.suite.processes import Worker, decode, encode
from rdzv_core import MembersView, SetStateResult, StateSnapshot


class Colleague:
    """A process that does what it is told on the run's register, one call after the other. A context manager."""

    def __init__(self, under_test: BackendUnderTest) -> None:
        self._worker = Worker(under_test, "obey")

    def __enter__(self) -> Colleague:
        self._worker.expect("ready")
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._worker.stop()

    def get_state(self, fresh: bool = False, purpose: str = "") -> StateSnapshot | None:
        """Read, by an instance that is used for all, or by a fresh one, or by the sibling for a purpose."""
        found = self._do("get", fresh=fresh, purpose=purpose)["found"]
        return None if found is None else StateSnapshot(*map(decode, found[:2]))

    def set_state(self, state: bytes, token: Any = None) -> SetStateResult | None:
        """Write."""
        found = self._do("set", state=encode(state), token=encode(token))["found"]
        return None if found is None else SetStateResult(decode(found[0]), decode(found[1]), found[2])

    def change(self, run_id: str, what: str, *arguments: Any) -> None:
        """Make a change in a run, of `Changes`."""
        self._do("change", run_id=run_id, change=what, arguments=[encode(each) for each in arguments])

    def members(self, run_id: str) -> dict[str, Any]:
        """Return the incarnation, version and ids of a run's members, as they are read there."""
        told: dict[str, Any] = self._do("view", run_id=run_id)["view"]
        return {**told, "version": decode(told["version"])}

    def _do(self, what: str, **arguments: Any) -> dict[str, Any]:
        self._worker.send(json.dumps({"do": what, **arguments}))
        return self._worker.expect("did")


def obey(under_test: BackendUnderTest, say: Say) -> None:
    """Do what each line says, until stdin ends."""
    register = under_test.open()
    runs: dict[str, Changes] = {}
    siblings = {"": register}
    say("ready")
    for line in sys.stdin:
        order = json.loads(line)
        if order["do"] in ("change", "view") and order["run_id"] not in runs:
            runs[order["run_id"]] = Changes(under_test, order["run_id"])
        if order["do"] == "view":
            say("did", view=_told(runs[order["run_id"]].view()))
            continue
        if order["do"] == "change":
            run_id = order["run_id"]
            getattr(runs[run_id], order["change"])(*map(decode, order["arguments"]))
            say("did")
            continue
        purpose = order.get("purpose", "")
        if purpose not in siblings:
            siblings[purpose] = register.sibling(purpose)
        found = _done(under_test, siblings[purpose], order)
        say("did", found=None if found is None else [encode(value) for value in found])


def _told(view: MembersView) -> dict[str, Any]:
    ids = [each.id for each in view.members]
    return {"incarnation": view.incarnation, "version": encode(view.version), "ids": ids}


def _done(under_test: BackendUnderTest, register: Register, order: dict[str, Any]) -> tuple[Any, ...] | None:
    if order["do"] == "set":
        return register.set_state(decode(order["state"]), decode(order["token"]))
    if not order["fresh"]:
        return register.get_state()
    another = under_test.open()
    try:
        return another.get_state()
    finally:
        another.close()

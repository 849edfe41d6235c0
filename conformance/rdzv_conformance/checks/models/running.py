"""Running a model: many short sequences of calls, each on a run of its own; the shortest that goes wrong is told."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar

import hypothesis
from hypothesis.stateful import RuleBasedStateMachine, run_state_machine_as_test

from rdzv_conformance.harness.backend_under_test import BackendUnderTest
from rdzv_conformance.harness.expect import Blamed, ClauseFailed, shown_error
from rdzv_conformance.harness.register import Register
from rdzv_conformance.harness.target import Target
from rdzv_core import RendezvousBackend, SupportsDelete

STEPS = 12
MOST, LEAST = 40, 5
SEARCH_SECONDS, SHRINK_SECONDS = 3.0, 5.0
BUSY_SECONDS = 9.0
FAST = 0.0005
LOOKS = 3
INSTANCES = ("one", "other")


@dataclass
class Search:
    """What all sequences of one search share: the backend, when to stop, and the shortest that went wrong."""

    under_test: BackendUnderTest
    backend: RendezvousBackend
    ends: float
    works: float = field(default_factory=lambda: time.process_time() + SEARCH_SECONDS / 2)
    """What this process may have worked when the time is up; else it is given more: on a busy machine it had none."""
    runs: int = 0
    shortest: list[str] = field(default_factory=list)
    finding: str = ""
    clauses: tuple[str, ...] = ()

    @property
    def over(self) -> bool:
        """Whether the time is up."""
        now = time.monotonic()
        return now > self.ends and (now > self.ends + BUSY_SECONDS or time.process_time() > self.works)

    def claims(self, capability: type) -> bool:
        """Return whether the backend claims a capability: it must not depend on what is open when the time is up.

        Which calls may be drawn has to be the same in every sequence, or hypothesis calls the model flaky.
        """
        return isinstance(self.backend, capability)

    def found(self, lines: list[str], finding: str, clause: str) -> None:
        """Keep a sequence that goes wrong, if it is the shortest."""
        if not self.finding:
            self.ends = time.monotonic() + SHRINK_SECONDS
            self.works = time.process_time() + SHRINK_SECONDS / 2
        if not self.finding or len(lines) <= len(self.shortest):
            self.shortest, self.finding, self.clauses = list(lines), finding, (clause,)


class Model(RuleBasedStateMachine):
    """One sequence of calls of two instances, and what a plain model says about them.

    A subclass makes calls with `call` and says with `must` what has to hold afterwards: both write the program.
    """

    search: ClassVar[Search]
    setup: ClassVar[tuple[str, ...]] = ()

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = list(self.setup)
        self.opened: dict[str, Register] = {}
        self._answers = 0
        self.search.runs += 1
        if not self.over:
            self.opened = {who: self.open() for who in INSTANCES}

    @property
    def over(self) -> bool:
        """Whether the time is up; then nothing is called any more."""
        return self.search.over

    def open(self) -> Register:
        """Make an instance on this sequence's run."""
        return self.search.under_test.open(f"{self.search.under_test.run_id}-{self.search.runs}")

    def call(self, clause: str, who: str, method: str, arguments: str, function: Any, *values: Any) -> tuple[str, Any]:
        """Make a call; return its name in the program, and its answer. What it raises breaks `clause`."""
        self._answers += 1
        name, what = f"a{self._answers}", f"{who}.{method}({arguments})"
        self.lines.append(f"{name} = {what}")
        try:
            return name, self.watched(what, function, *values)
        except ClauseFailed as error:
            raise self.broken(clause, str(error)) from error
        except Exception as error:
            raise self.broken(clause, f"{what} raised {shown_error(error)}") from error

    def watched(self, what: str, function: Any, *values: Any) -> Any:
        """Make a call that is named if it hangs."""
        under_test = self.search.under_test
        return under_test.calls.run(what, under_test.target.patience, function, *values)

    def must(self, holds: object, clause: str, assertion: str, says: str) -> None:
        """Go on only if what the assertion of the program says holds; else `clause` is broken, as `says` says."""
        self.lines.append(f"assert {assertion}")
        if not holds:
            raise self.broken(clause, says)

    def broken(self, clause: str, says: str) -> Blamed:
        """Return the finding, and keep the program."""
        self.search.found(self.lines, says, clause)
        return Blamed(says, (clause,))

    def teardown(self) -> None:
        """Let the run go."""
        for register in self.opened.values():
            try:
                if isinstance(register.backend, SupportsDelete):
                    register.backend.delete_state()
                register.close()
            except Exception:  # noqa: BLE001, S110 - tidiness; the clauses of LIFE test close
                pass


def hold_against(model: type[Model], under_test: BackendUnderTest, latency: float | None = None) -> None:
    """Hold a backend against a model; `Blamed`, with a program that shows it, if it does something else.

    The same seed of the target makes up the same calls. It takes a few seconds at most, however slow the store is.
    """
    register = under_test.open()
    if latency is None:
        latency = min(_took(register.get_state) for _ in range(LOOKS))
    latency = max(latency, FAST)
    search = Search(under_test, register.backend, time.monotonic() + SEARCH_SECONDS)
    machine = type(model.__name__, (model,), {"search": search})
    hypothesis.seed(under_test.target.seed)(machine)
    try:
        run_state_machine_as_test(machine, settings=_settings(latency))
    except Exception:
        # Time may have run out while it was made shorter, or a race may not show again: it was seen all the same.
        if not search.finding:
            raise
    if search.finding:
        program = program_of(under_test.target, search.shortest)
        raise Blamed(
            f"{search.finding}. This program shows it (seed {under_test.target.seed}):\n{program}", search.clauses
        )


def _took(call: Callable[[], object]) -> float:
    began = time.monotonic()
    call()
    return time.monotonic() - began


def _settings(latency: float) -> hypothesis.settings:
    return hypothesis.settings(
        max_examples=max(LEAST, min(MOST, int(SEARCH_SECONDS / 2 / (STEPS * latency)))),
        stateful_step_count=STEPS,
        database=None,
        deadline=None,
        print_blob=False,
        report_multiple_bugs=False,
        phases=(hypothesis.Phase.generate, hypothesis.Phase.shrink),
        suppress_health_check=list(hypothesis.HealthCheck),
        verbosity=hypothesis.Verbosity.quiet,
    )


def program_of(target: Target, lines: list[str]) -> str:
    """Return the program that makes these calls, on a new run; an option's value, which may be secret, is left out."""
    options = "".join(f", {name}=..." for name in target.options)
    loads = []
    for name in target.preload:
        module, _, function = name.partition(":")
        loads += [f"import {module}", *([f"{module}.{function}()"] if function else [])]
    header = [
        "import secrets",
        "from rdzv_core import RendezvousParameters, create_backend",
        *loads,
        'run_id = "model-" + secrets.token_hex(8)',
        f"params = RendezvousParameters({target.backend!r}, {target.endpoint!r}, run_id, 1, 2{options})",
        f"{', '.join(INSTANCES)} = create_backend(params), create_backend(params)",
    ]
    return "\n".join(f"    {line}" for line in (*header, *lines))

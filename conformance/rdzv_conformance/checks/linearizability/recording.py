"""Clients that do a bit of everything to one register, as fast as they can, and write down what they were told."""

from __future__ import annotations

import random
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from rdzv_conformance.checks.linearizability.history import Found, Kind, Operation
from rdzv_conformance.harness.expect import shown
from rdzv_conformance.harness.register import Register
from rdzv_core import RendezvousConnectionError, SupportsDelete, SupportsWatch

OVERLAP = 0.4
LONGEST_OVERLAP = 1.6
LEAST, MOST = 25, 1000
LONG = 2.0
FEW_ERRORS = 5
LONGEST_TOKEN = 10_000


def least_steps(register: Register) -> int:
    """Return the least number of calls for a client: fewer on a slow store, so that it takes seconds there too."""
    quickest = min(_took(register.get_state) for _ in range(3))
    return max(8, min(LEAST, int(LONG / max(quickest, 1e-6))))


class Client:
    """One client of a history, with its own random numbers. `run` is for one thread."""

    def __init__(self, register: Register, name: str, seed: str) -> None:
        self._register = register
        self._name = name
        self._random = random.Random(seed)
        self._latest: Any = None
        self._earlier: deque[Any] = deque(maxlen=8)
        self._history: list[Operation] = []
        self._errors = 0

    @property
    def history(self) -> list[Operation]:
        """What it has done so far."""
        return [*self._history]

    def run(self, least: int) -> list[Operation]:
        """Make `least` calls, and go on for a while: a fast store would else be done before the next client begins.

        A call that raises `RendezvousConnectionError` was not answered; raises the error if many do.
        """
        began, worked = time.monotonic(), time.process_time()

        def enough() -> bool:
            took = time.monotonic() - began
            # On a busy machine time goes by in which nobody here comes to do anything.
            return took > OVERLAP and (took > LONGEST_OVERLAP or time.process_time() - worked > OVERLAP / 2)

        while len(self._history) < least or (not enough() and len(self._history) < MOST):
            self._step()
        return self._history

    def read(self) -> list[Operation]:
        """Make a last read, to see what has remained."""
        self._get()
        return self._history

    def _step(self) -> None:
        dice = self._random.random()
        if dice < 0.50:
            self._set(self._latest)
        elif dice < 0.57:
            self._set(None)
        elif dice < 0.65 and self._earlier:
            self._set(self._random.choice(self._earlier))
        elif dice < 0.68 and self._latest is not None:
            self._set(_foreign(self._latest))
        elif dice < 0.72 and isinstance(self._register.backend, SupportsDelete):
            self._delete(self._random.choice([self._latest, self._latest, None, *self._earlier]))
        elif dice < 0.77 and isinstance(self._register.backend, SupportsWatch):
            self._wait(self._latest)
        else:
            self._get()

    def _get(self) -> None:
        self._record("get", None, None, lambda: (self._register.get_state(), False))

    def _set(self, token: Any) -> None:
        # Now and then what others write as well: who wrote must not be told by the bytes.
        same = self._random.random() < 0.2
        state = b"same" if same else f"{self._name} {len(self._history)}".encode()

        def write() -> tuple[Any, bool]:
            answer = self._register.set_state(state, token)
            return (None, False) if answer is None else (answer[:2], answer.has_set)

        self._record("set", state, token, write)

    def _delete(self, token: Any) -> None:
        self._record("delete", None, token, lambda: (None, self._register.delete_state(token)))

    def _wait(self, token: Any) -> None:
        def wait() -> tuple[Any, bool]:
            changed, found = self._register.wait_state(token, 0.001)
            return found, changed

        self._record("wait", None, token, wait)

    def _record(self, kind: Kind, state: bytes | None, token: Any, call: Callable[[], tuple[Any, bool]]) -> None:
        began = time.monotonic_ns()
        try:
            there, done = call()
        except RendezvousConnectionError:
            self._history.append(Operation(self._name, kind, began, None, state, _named(token)))
            self._errors += 1
            if self._errors >= FEW_ERRORS and self._errors * 5 > len(self._history):
                raise
            return
        ended = time.monotonic_ns()
        found = None if there is None else Found(there[0], _named(there[1]))
        self._history.append(Operation(self._name, kind, began, ended, state, _named(token), found, done))
        if kind != "delete":
            self._learn(None if there is None else there[1])

    def _learn(self, token: Any) -> None:
        if self._latest is not None and self._latest != token:
            self._earlier.append(self._latest)
        self._latest = token


def _named(token: Any) -> str | None:
    """Name a token by what it looks like: it need not be hashable, and goes through JSON."""
    return None if token is None else shown(token, LONGEST_TOKEN)


def _foreign(token: Any) -> Any:
    """Make a token that looks like a real one and is none."""
    if isinstance(token, bytes) and token:
        return bytes(byte ^ 0x55 for byte in token)
    return f"{token}~" if isinstance(token, str) else -token - 1 if isinstance(token, int) else "nobody's"


def _took(call: Callable[[], object]) -> float:
    began = time.monotonic()
    call()
    return time.monotonic() - began

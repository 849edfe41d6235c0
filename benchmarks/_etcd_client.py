"""One client of `etcd_elections.py`: it uses a run's register, store and membership, and writes down what it is told.

Run as a process: `python -m benchmarks._etcd_client ENDPOINT RUN_ID NAME TTL`. It prints "ready", works until a
line comes in, and prints what happened as one line of JSON.
"""

from __future__ import annotations

import json
import random
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

from rdzv_conformance.checks.linearizability import Found, Operation, to_json
from rdzv_conformance.checks.linearizability.history import Kind
from rdzv_etcd import EtcdBackend, create_backend

from rdzv_core import RendezvousConnectionError, RendezvousParameters

PAUSE = 0.02
"""Seconds between two calls of one thread, about: a history of all calls has to be checked."""
STORE = "acknowledged"


class Client:
    """Three threads on one backend: one on the register, one on a store, one that keeps a membership alive."""

    def __init__(self, backend: EtcdBackend, name: str, ttl: float) -> None:
        self.history: list[Operation] = []
        self.stored: list[str] = []
        """The keys whose writing was acknowledged; each has itself for a value."""
        self.answered: dict[str, list[tuple[float, float]]] = {"register": [], "store": [], "lease": []}
        """When each call was made that has succeeded, and when it was answered."""
        self.lost: list[str] = []
        """Memberships that ended though they were kept alive within their ttl."""
        self._backend, self._name, self._ttl = backend, name, ttl
        self._store = backend.store(STORE)
        self._token: bytes | None = None
        self._ending = threading.Event()
        self._random = random.Random(name)

    def work(self) -> None:
        """Work until a line comes in."""
        tasks = (self._use_register, self._use_store, self._keep_lease())
        threads = [threading.Thread(target=self._repeat, args=[task]) for task in tasks]
        for thread in threads:
            thread.start()
        sys.stdin.readline()
        self._ending.set()
        for thread in threads:
            thread.join()

    def _repeat(self, task: Callable[[], None]) -> None:
        while not self._ending.wait(PAUSE * self._random.uniform(0.5, 1.5)):
            task()

    def _use_register(self) -> None:
        dice = self._random.random()
        if dice < 0.5:
            self._set(self._token)
        elif dice < 0.6:
            self._set(None)
        elif dice < 0.8:
            token = self._token
            self._record("wait", None, token, lambda: self._backend.wait_state(token, 0.01)[::-1])
        else:
            self._record("get", None, None, lambda: (self._backend.get_state(), False))

    def _set(self, token: bytes | None) -> None:
        state = f"{self._name} {len(self.history)}".encode()

        def write() -> tuple[Any, bool]:
            answer = self._backend.set_state(state, token)
            return (None, False) if answer is None else (answer[:2], answer.has_set)

        self._record("set", state, token, write)

    def _record(
        self, kind: Kind, state: bytes | None, token: bytes | None, call: Callable[[], tuple[Any, bool]]
    ) -> None:
        given, began = token and token.hex(), time.monotonic_ns()
        try:
            there, done = call()
        except RendezvousConnectionError:
            self.history.append(Operation(self._name, kind, began, None, state, given))
            return
        ended = time.monotonic_ns()
        found = None if there is None else Found(there[0], there[1].hex())
        self.history.append(Operation(self._name, kind, began, ended, state, given, found, done))
        self._token = None if there is None else there[1]
        if kind == "set":
            self.answered["register"].append((began / 1e9, ended / 1e9))

    def _use_store(self) -> None:
        key, began = f"{self._name}.{len(self.stored)}.{time.monotonic_ns()}", time.monotonic()
        try:
            self._store.set(key, key.encode())
        except RendezvousConnectionError:
            return  # it may be there or not
        self.stored.append(key)
        self.answered["store"].append((began, time.monotonic()))

    def _keep_lease(self) -> Callable[[], None]:
        member = self._backend.enter(self._name.encode(), self._ttl)
        renewed = time.monotonic()

        def refresh() -> None:
            nonlocal member, renewed
            began = time.monotonic()
            try:
                if self._backend.refresh(member):
                    renewed = began
                    self.answered["lease"].append((began, time.monotonic()))
                    return
                age = time.monotonic() - renewed
                if age < self._ttl:
                    self.lost.append(
                        f"{self._name}: ended {age:.2f} s after its last renewal, with a ttl of {self._ttl:g} s"
                    )
                member = self._backend.enter(self._name.encode(), self._ttl)
                renewed = time.monotonic()
            except RendezvousConnectionError:
                return

        return refresh


def main() -> None:
    """Work until a line comes in, and print what happened."""
    endpoint, run_id, name, ttl = sys.argv[1:]
    backend = create_backend(RendezvousParameters("etcd", endpoint, run_id, 1, 8))
    assert isinstance(backend, EtcdBackend)
    client = Client(backend, name, float(ttl))
    print(json.dumps("ready"), flush=True)
    client.work()
    backend.close()
    history = [to_json(operation) for operation in client.history]
    print(json.dumps({"history": history, "stored": client.stored, "answered": client.answered, "lost": client.lost}))


if __name__ == "__main__":
    main()

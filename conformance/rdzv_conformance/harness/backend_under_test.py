"""The backend under one test: a run of its own, every call watched, everything closed at the end."""

from __future__ import annotations

import random
import secrets
import threading
from collections.abc import Callable
from typing import Any, ClassVar, TypeVar, cast

from rdzv_conformance.harness import expect
from rdzv_conformance.harness.helpers import Helpers
from rdzv_conformance.harness.load import slowness
from rdzv_conformance.harness.register import Register
from rdzv_conformance.harness.target import Target
from rdzv_conformance.harness.watchdog import Calls, run_guarded
from rdzv_conformance.harness.watched import Watched
from rdzv_core import (
    RendezvousBackend,
    RendezvousParameters,
    StateSnapshot,
    SupportsDelete,
    SupportsMembership,
    SupportsStore,
    create_backend,
)

T = TypeVar("T")

TEST_LIMIT = 120.0
CLOSE_LIMIT = 10.0
CLOSE_LIMIT_AGAIN = 1.0
"""Seconds, times the pace, for closing what a test opened, and once that was found to hang in this process."""


class BackendUnderTest:
    """What a test of the suite is given.

    `run_id` is new for every one and holds its `tag`; `random` comes from the target's seed. Instances made with
    `open` are closed, and their registers deleted where the backend can, by `clean_up`.
    """

    has_hung_in_close: ClassVar[bool] = False

    def __init__(self, target: Target) -> None:
        self.target = target
        self.tag: str = secrets.token_hex(8)
        self.run_id: str = f"conformance-{self.tag}"
        self.random: random.Random = random.Random(target.seed)
        self.calls: Calls = Calls()
        self.used_elsewhere = False
        """Whether other processes write in this test's run."""
        self.keeps_more: bool = False
        """Whether this test used members or stores: no call takes their keys away."""
        self.stands_before: Callable[[RendezvousBackend], RendezvousBackend] = lambda backend: backend
        """What the test is given in place of an instance that it creates."""
        self._opened: list[Register] = []
        self._keys: set[str] = set()
        self._deletes = False
        self._swept = True
        self._lock = threading.Lock()

    @property
    def helpers(self) -> Helpers:
        """What the backend's author lends."""
        return self.target.helpers

    def parameters(
        self, run_id: str | None = None, endpoint: str | None = None, **options: Any
    ) -> RendezvousParameters:
        """Return the parameters of this test's run, or of another."""
        return self.target.parameters(self.run_id if run_id is None else run_id, endpoint, **options)

    def open(self, run_id: str | None = None, endpoint: str | None = None, **options: Any) -> Register:
        """Create an instance by name, as a job would, on this test's run or on another."""
        return self.open_with(self.parameters(run_id, endpoint, **options))

    def open_with(self, params: RendezvousParameters, limit: float | None = None) -> Register:
        """Create an instance from parameters."""
        limit = self.target.patience if limit is None else limit
        backend = self.calls.run(f"creating {params!r}", limit, create_backend, params)
        # Only what is surely this test's own is deleted at the end: a run named "." may be somebody else's.
        register = self.adopt(self.stands_before(backend), own=self.tag in params.run_id)
        register.pair = (params.run_id, params.purpose)
        if register.own:
            self._keys.add(params.key)
        return register

    def adopt(self, backend: RendezvousBackend, own: bool = True) -> Register:
        """Take an instance into care; the register that is its `own` is deleted at the end."""
        register = Register(backend, self.calls, self.target.patience, self.adopt)
        register.own = own
        with self._lock:
            self._opened.append(register)
            self._deletes = self._deletes or isinstance(backend, SupportsDelete)
        return register

    def another(self) -> BackendUnderTest:
        """Return another for the same test, on a run of its own."""
        other = BackendUnderTest(self.target)
        other.stands_before = self.stands_before
        return other

    def paced(self, seconds: float) -> float:
        """Return the seconds that something may take here which takes `seconds` at most on a fast store."""
        return seconds * self.target.pace

    def keys_left(self) -> list[str]:
        """Return the keys of this test's registers that are in the store, where they can be deleted and listed."""
        if self.helpers.keys is None or not self._deletes or not self._swept or self.keeps_more:
            return []
        try:
            found = set(self.helpers.keys(self.parameters()))
        except Exception as error:
            raise RuntimeError(f"the helper keys(params) raised {expect.shown_error(error)}") from error
        return sorted(f"key {key}" for key in found if self._is_mine(key))

    def _is_mine(self, key: str) -> bool:
        return self.tag in key or any(mine in key for mine in self._keys)

    def keep_again(self) -> None:
        """Write what is kept from before the first test once more: the store has lost all that it held."""
        if self.target.kept is not None:
            register = self.open(self.target.kept.run_id)
            if register.get_state() is None:
                self.target.kept.replaced(StateSnapshot(b"kept", register.write(b"kept")))
            self.target.kept.keep_more(register.backend)

    def run(self, check: Callable[[], None]) -> None:
        """Run a test under the watchdog, then clean up."""
        try:
            run_guarded(check, self.calls, TEST_LIMIT * self.target.pace * slowness())
        finally:
            self.clean_up()

    def clean_up(self) -> None:
        """Delete and close what was opened. What goes wrong here goes wrong in the clauses about it as well."""
        with self._lock:
            opened, self._opened = self._opened, []
        if opened:
            args = (self, opened)
            sweep = threading.Thread(target=_sweep, args=args, name="rdzv-conformance-clean-up", daemon=True)
            sweep.start()
            sweep.join(self.paced(CLOSE_LIMIT_AGAIN if BackendUnderTest.has_hung_in_close else CLOSE_LIMIT))
            self._swept = not sweep.is_alive()
            BackendUnderTest.has_hung_in_close |= sweep.is_alive()

    # What a clause may need. Each says in the certificate why the clause could not be tested.

    def needs(self, capability: Callable[..., T], register: Register) -> T:
        """Return the instance as the capability, an ABC of rdzv_core, if the backend claims it."""
        self.keeps_more |= capability in (SupportsMembership, SupportsStore)
        # A Callable and not a type[T]: mypy takes no abstract class for the latter.
        if not isinstance(register.backend, cast("type", capability)):
            raise expect.Unsupported(f"the backend does not claim {capability.__name__}")
        return cast("T", Watched(register.backend, self.calls, self.target.patience))

    def needs_other_processes(self) -> None:
        """Go on only if another process of this machine can reach the same store."""
        if self.shared_by_processes():
            return
        raise expect.Unsupported("the store lives in one process (the backend says topology = 'process')")

    def shared_by_processes(self) -> bool:
        """Return whether another process of this machine reaches the same store: the backend's `topology`."""
        return self.open().backend.topology != "process"

    def needs_connection(self) -> None:
        """Go on only if there is a connection that can be lost."""
        self.needs_other_processes()
        if self.helpers.network is False:
            raise expect.Unsupported("the backend has no connection that can be lost (network = False)")

    def needs_connection_or(self, helper: object) -> None:
        """Go on only if there is a connection, or a helper that stands in for one."""
        if helper is None:
            self.needs_connection()


def _sweep(under_test: BackendUnderTest, opened: list[Register]) -> None:
    """Delete each register once, by an instance that is open or by a new one, and close what is open."""
    there = {each.pair for each in opened if each.own and each.pair and isinstance(each.backend, SupportsDelete)}
    if there and under_test.used_elsewhere:
        there.add((under_test.run_id, ""))
    for register in reversed(opened):
        if not register.closed and register.pair in there:
            if _quietly(register.backend.delete_state):  # type: ignore[attr-defined]
                there.discard(register.pair)
        elif not register.closed and register.own and register.pair is None:
            _quietly(getattr(register.backend, "delete_state", _nothing))
    for run_id, purpose in filter(None, there):
        _quietly(_delete_anew, under_test.parameters(run_id).for_purpose(purpose))
    for register in reversed(opened):
        if not register.closed:
            _quietly(register.backend.close)


def _delete_anew(params: RendezvousParameters) -> None:
    backend = create_backend(params)
    try:
        cast("SupportsDelete", backend).delete_state()
    finally:
        backend.close()


def _nothing() -> None:
    pass


def _quietly(call: Callable[..., object], *arguments: object) -> bool:
    """Call, and say whether nothing was raised."""
    try:
        call(*arguments)
    except BaseException:  # noqa: BLE001 - only tidiness is at stake: what is broken fails the clauses about it
        return False
    return True

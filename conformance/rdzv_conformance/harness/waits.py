"""Calls that wait, and calls that do not: every kind that a backend offers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from rdzv_conformance.harness.backend_under_test import BackendUnderTest
from rdzv_conformance.harness.register import Register
from rdzv_conformance.harness.threads import Running
from rdzv_core import (
    MemberLease,
    RendezvousTimeoutError,
    SupportsDelete,
    SupportsListing,
    SupportsMembership,
    SupportsStore,
    SupportsWatch,
)

TTL = 60.0
KEY = "awaited"

HOW_TO_END = (
    "close() has to wake it: let it wait for an event or a condition that close() sets as well, or for a socket that "
    "close() shuts down (rdzv_core.authoring.CallGuard does that for you)"
)

Call = Callable[[], object]


@dataclass
class Waits:
    """What of one instance can wait, on its own register, members and store: `kinds` is by the clause's section."""

    under_test: BackendUnderTest
    register: Register
    prefix: str = "waits"

    def __post_init__(self) -> None:
        self._members = self._store = None
        self._lease: MemberLease | None = None
        backend = self.register.backend
        if isinstance(backend, SupportsMembership):
            self._members = self.under_test.needs(SupportsMembership, self.register)
        if isinstance(backend, SupportsStore):
            self._store = self.under_test.needs(SupportsStore, self.register).store(self.prefix)

    def begin(self, timeout: float) -> dict[str, Running[Any]]:
        """Begin a wait of every kind for what is not there yet; by the name of the call."""
        return {name: Running(call, timeout) for name, call in self.kinds().items()}

    def kinds(self) -> dict[str, Callable[[float], Any]]:
        """Return every call that waits, as what takes a timeout: nothing happens meanwhile unless somebody does it."""
        kinds: dict[str, Callable[[float], Any]] = {}
        if isinstance(self.register.backend, SupportsWatch):
            found = self.register.get_state()
            token = found and found.token
            kinds["wait_state"] = lambda timeout: self.register.wait_state(token, timeout)
        if self._members is not None:
            members, version = self._members, self._members.members().version
            kinds["wait_members"] = lambda timeout: members.wait_members(version, timeout)
        if self._store is not None:
            store = self._store
            kinds["get of a store"] = lambda timeout: _in_vain(store.get, KEY, timeout)
            kinds["multi_get of a store"] = lambda timeout: _in_vain(store.multi_get, [KEY], timeout)
            kinds["wait of a store"] = lambda timeout: _in_vain(store.wait, [KEY], timeout)
        return kinds

    def quick(self) -> dict[str, Call]:
        """Return every call that does not wait; none of them changes what somebody waits for."""
        register, backend = self.register, self.register.backend
        calls: dict[str, Call] = {"get_state()": register.get_state}
        calls["set_state(…)"] = lambda: register.set_state(b"refused", "invalid")
        if isinstance(backend, SupportsListing):
            calls["list_keys()"] = lambda: register.call("list_keys()", backend.list_keys)
        if isinstance(backend, SupportsDelete):
            calls["delete_state(…)"] = lambda: register.delete_state("invalid")
        if self._members is not None:
            members = self._members
            calls |= {"members()": members.members, "count()": members.count, "first(1)": lambda: members.first(1)}
            if (lease := self._lease) is not None:
                calls["refresh(…)"] = lambda: members.refresh(lease)
        if self._store is not None:
            store = self._store
            calls |= {
                "set of a store": lambda: store.set("other", b"1"),
                "check of a store": lambda: store.check(["other"]),
                "num_keys of a store": store.num_keys,
                "compare_set of a store": lambda: store.compare_set("compared", None, b"1"),
                "add of a store": lambda: store.add("number", 1),
                "multi_set of a store": lambda: store.multi_set({"other": b"2"}),
                "delete_key of a store": lambda: store.delete_key("none"),
            }
        return calls

    def entering(self) -> dict[str, Call]:
        """Return the calls about a member, which end the waits for members, but for `refresh`: `quick` has it then."""
        if self._members is None:
            return {}
        members = self._members
        lease = self._lease = members.enter(b"", TTL)
        return {
            "refresh(…)": lambda: members.refresh(lease),
            "enter(…)": lambda: members.leave(members.enter(b"", TTL)),
            "update(…)": lambda: members.update(lease, b"new"),
            "leave(…)": lambda: members.leave(lease),
        }

    def change(self) -> None:
        """Do what everybody waits for."""
        found = self.register.get_state()
        self.register.write(b"changed", found and found.token)
        if self._members is not None:
            self._members.enter(b"changed", TTL)
        if self._store is not None:
            self._store.set(KEY, b"changed")


def _in_vain(call: Callable[..., Any], key: Any, timeout: float) -> Any:
    """Return False where the key does not come in time, as the other waits do."""
    try:
        return call(key, timeout) or True
    except RendezvousTimeoutError:
        return False

"""Mutants of RDZV-MEMBER-1, STORE-12, CONN-2 and 10: ids that a fork copies, and what members and stores say of it."""

from __future__ import annotations

import base64
import itertools
import os
import random
import secrets
import socket
import uuid
from collections.abc import Callable, Iterable
from typing import Any, ClassVar

from rdzv_conformance.mutants._mutant import Mutant
from rdzv_conformance.mutants._remote import READ_TIMEOUT, SoundRemote
from rdzv_conformance.mutants._remote_members import SoundRemoteMembers, at_server
from rdzv_conformance.mutants._remote_stores import RemoteMap, SoundRemoteStores, Stores, with_stores
from rdzv_conformance.mutants._settings import Setting
from rdzv_core import MemberLease, RendezvousConnectionError, accepts_options
from rdzv_core.validation import checked_keys, checked_payload, checked_ttl


class _DrawsIds(SoundRemoteMembers):
    """Its members' ids are `drawn`."""

    def drawn(self) -> str:
        raise NotImplementedError

    def enter(self, payload: bytes, ttl: float) -> MemberLease:
        content, ttl, member = checked_payload(payload), checked_ttl(ttl), self.drawn()
        view = self._look(do="enter", member=member, payload=base64.b64encode(content).decode(), ttl=ttl)
        return MemberLease(ttl, view.incarnation, member)


class _OfAGenerator(_DrawsIds):
    generator = random.Random(secrets.token_bytes(16))

    def drawn(self) -> str:
        return f"{self.generator.getrandbits(128):032x}"


class _OfHostAndProcess(_DrawsIds):
    counter = itertools.count()

    def drawn(self) -> str:
        where = f"{socket.gethostname()} {os.getpid()} {next(self.counter)}"
        return uuid.uuid5(uuid.NAMESPACE_DNS, where).hex


class _AnswersOnce(Stores):
    """A request that comes again, by its id, is answered as it was."""

    def __init__(self) -> None:
        super().__init__()
        self.answers: dict[str, dict[str, Any]] = {}

    def answer(self, request: dict[str, Any], connection: socket.socket) -> dict[str, Any]:
        asked = request.get("id")
        if asked is None:
            return super().answer(request, connection)
        if asked not in self.answers:
            self.answers[asked] = super().answer(request, connection)
        return self.answers[asked]


class _NumbersItsRequests(SoundRemoteStores):
    durable = False
    process = secrets.token_hex(8)
    numbers = itertools.count()

    def ask(self, request: dict[str, Any]) -> Any:
        if "values" in request:
            request = {**request, "id": f"{self.process}-{next(self.numbers)}"}
        return super().ask(request)


class _TwoConnections(SoundRemote):
    """What is no register's goes over a connection of its own, which a child has as well."""

    of_kind: ClassVar[str] = ""

    def ask(self, request: dict[str, Any]) -> Any:
        if self.of_kind not in request or self.closed:
            return super().ask(request)
        second = vars(self).get("second")
        if second is None:
            second = self.second = _OfBothSides(self.params)
        return second.ask(request)

    def close(self) -> None:
        super().close()
        if "second" in vars(self):
            self.second.close()


class _OfBothSides(SoundRemote):
    def after_a_fork(self) -> None:
        """Go on with what the parent has."""


class _StoresShareTheirs(_TwoConnections, SoundRemoteStores):
    durable = False
    of_kind = "map"


class _MembersShareTheirs(_TwoConnections, SoundRemoteMembers):
    of_kind = "do"


class _RemembersOverAFork(RemoteMap):
    known: ClassVar[dict[tuple[str, str], tuple[int, bytes]]] = {}

    def set(self, key: str, value: bytes) -> None:
        super().set(key, value)
        self.known[self._name, key] = os.getpid(), value

    def multi_get(self, keys: Iterable[str], timeout: float | None = None) -> list[bytes]:
        wanted = checked_keys(keys)
        known = [self.known.get((self._name, key), (os.getpid(), b"")) for key in wanted]
        if known and all(process != os.getpid() for process, _ in known):
            return [value for _, value in known]
        return super().multi_get(wanted, timeout)


class _RemembersForItsChildren(SoundRemoteStores):
    durable = False
    store_type = _RemembersOverAFork


class _SaysNoEndpoint(SoundRemote):
    """Its requests that have `of_kind` fail without a word of where."""

    of_kind: ClassVar[str] = ""

    def ask(self, request: dict[str, Any]) -> Any:
        try:
            return super().ask(request)
        except RendezvousConnectionError as error:
            if self.of_kind not in request or self.closed:
                raise
            raise RendezvousConnectionError(f"{self.name} has no answer") from error


class _StoresSayNoEndpoint(_SaysNoEndpoint, SoundRemoteStores):
    durable = False
    of_kind = "map"


class _MembersSayNoEndpoint(_SaysNoEndpoint, SoundRemoteMembers):
    of_kind = "do"


def _mutant(
    broken: type[SoundRemote],
    name: str,
    sentence: str,
    *breaks: str,
    message: str,
    may_break: tuple[str, ...] = (),
    stores: Callable[[], Stores] | None = None,
) -> Mutant:
    setting: Setting = at_server() if issubclass(broken, SoundRemoteMembers) else with_stores(stores or Stores)
    factory = accepts_options(READ_TIMEOUT)(lambda params: broken(params))
    full, may = (tuple(f"RDZV-{number}" for number in numbers) for numbers in (breaks, may_break))
    return Mutant(name, sentence, full, message, factory, may, setting)


IN_A_FORK = ("CONN-6", "CONN-10", "CONN-11")

MUTANTS = (
    _mutant(
        _OfAGenerator,
        "ids-of-a-copied-generator",
        "A member's id is drawn from a generator that a fork copies: parent and child enter as one member.",
        *("MEMBER-1", "CONN-10"),
        message="the number of different ids",
        may_break=IN_A_FORK,
    ),
    _mutant(
        _OfHostAndProcess,
        "ids-of-host-and-process",
        "A member's id is made of the host's name, the process id and a counter: in two containers they are one.",
        "MEMBER-1",
        message="as in containers",
        may_break=IN_A_FORK,
    ),
    _mutant(
        _NumbersItsRequests,
        "requests-are-numbered-by-process",
        "A request's id is a word of the process and a number: a child's is answered as its parent's was.",
        *("CONN-10", "STORE-12"),
        message="",
        may_break=IN_A_FORK,
        stores=_AnswersOnce,
    ),
    _mutant(
        _StoresShareTheirs,
        "stores-share-a-connection",
        "The register's connection is made anew in a child, that of the stores is not.",
        "CONN-10",
        message="",
        may_break=(*IN_A_FORK, "STORE-12"),
    ),
    _mutant(
        _MembersShareTheirs,
        "members-share-a-connection",
        "The register's connection is made anew in a child, that of the members is not.",
        "CONN-10",
        message="",
        may_break=(*IN_A_FORK, "MEMBER-1"),
    ),
    _mutant(
        _RemembersForItsChildren,
        "remembered-over-a-fork",
        "What a process has set it remembers, and its child reads it there.",
        *("CONN-10", "STORE-12"),
        message="a key that was set after a fork",
        may_break=IN_A_FORK,
    ),
    _mutant(
        _StoresSayNoEndpoint,
        "stores-say-no-endpoint",
        "The error of a store's call does not say which store could not be reached.",
        "CONN-2",
        message="does not name the endpoint",
    ),
    _mutant(
        _MembersSayNoEndpoint,
        "members-say-no-endpoint",
        "The error of a call about members does not say which store could not be reached.",
        "CONN-2",
        message="does not name the endpoint",
    ),
)

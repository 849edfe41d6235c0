"""Mutants of RDZV-CONN and RDZV-CAS-14: what a connection does to a backend."""

from __future__ import annotations

import base64
import json
import threading
import time
from typing import Any

from rdzv_conformance.mutants._mutant import Mutant
from rdzv_conformance.mutants._remote import READ_TIMEOUT, SoundRemote
from rdzv_conformance.mutants._settings import remotely
from rdzv_core import RendezvousConnectionError, RendezvousParameters, SetStateResult, Token, accepts_options


class RawErrors(SoundRemote):
    def ask(self, request: dict[str, Any]) -> Any:
        with self.lock:
            return self.exchange(request)


class WaitsForEver(SoundRemote):
    def __init__(self, params: RendezvousParameters) -> None:
        super().__init__(params)
        self.timeout = None


class NeverReconnects(SoundRemote):
    def exchange(self, request: dict[str, Any]) -> Any:
        if self.connection is None and vars(self).setdefault("connected", False):
            raise BrokenPipeError("Broken pipe")
        vars(self)["connected"] = True
        return super().exchange(request)


class NamesNothing(SoundRemote):
    def ask(self, request: dict[str, Any]) -> Any:
        try:
            return super().ask(request)
        except RendezvousConnectionError as error:
            raise RendezvousConnectionError("connection failed") from error


class ChainsNoCause(SoundRemote):
    def ask(self, request: dict[str, Any]) -> Any:
        try:
            return super().ask(request)
        except RendezvousConnectionError as error:
            raise RendezvousConnectionError(str(error)) from None


class RetriesWrites(SoundRemote):
    def exchange(self, request: dict[str, Any]) -> Any:
        try:
            return super().exchange(request)
        except ConnectionError:
            self.drop()
            return super().exchange(request)


class CloseWaits(SoundRemote):
    def close(self) -> None:
        with self.lock:
            self.closed = True
            self.drop()


class LocksInTheProcess(SoundRemote):
    everybody = threading.RLock()

    def set_state(self, state: bytes, token: Token | None = None) -> SetStateResult | None:
        with self.everybody:
            found = self.get_state()
            if found is None or type(token) is not bytes or token != found.token:
                return super().set_state(state, token)
            while True:
                now = self.get_state()
                answer = super().set_state(state, now and now.token)
                if answer and answer.has_set:
                    return answer


class NamesNoEndpoint(SoundRemote):
    def __init__(self, params: RendezvousParameters) -> None:
        try:
            super().__init__(params)
        except ValueError as error:
            raise ValueError("invalid literal for int() with base 10") from error


class WritesInTwoSteps(SoundRemote):
    def set_state(self, state: bytes, token: Token | None = None) -> SetStateResult | None:
        reserved = super().set_state(b"", token)
        return super().set_state(state, reserved.token) if reserved and reserved.has_set else reserved


class LeasesALock(SoundRemote):
    """Holds a lock in the store while it writes, and takes over one that nobody has given back for a while."""

    lease = 0.3
    busy = 6

    def set_state(self, state: bytes, token: Token | None = None) -> SetStateResult | None:
        if len(state) > self.max_state_bytes:
            return super().set_state(state, token)
        held = self._lock()
        try:
            found = self.get_state()
            if found is None or type(token) is not bytes or token != found.token:
                return super().set_state(state, token)
            for _ in range(self.busy):
                self.get_state()
            while True:
                now = self.get_state()
                answer = super().set_state(state, now and now.token)
                if answer and answer.has_set:
                    return answer
        finally:
            self._at_lock(b"", held)

    def _lock(self) -> Any:
        ends = time.monotonic() + (self.timeout or 60)
        seen, since = None, time.monotonic()
        while True:
            found = self._at_lock()
            if found is None or not found[0] or (found[1] == seen and time.monotonic() > since + self.lease):
                answer = self._at_lock(b"mine", found and found[1])
                if answer and answer[2]:
                    return answer[1]
            if found and found[1] != seen:
                seen, since = found[1], time.monotonic()
            if time.monotonic() > ends:
                raise RendezvousConnectionError(f"backend {self.name!r} at {self.params.endpoint!r}: it is locked")
            time.sleep(0.002)

    def _at_lock(self, state: bytes | None = None, token: Any = None) -> Any:
        text = None if state is None else base64.b64encode(state).decode()
        used = token and base64.b64encode(token).decode()
        return self.ask({"key": f"{self.key}.lock", "state": text, "token": used})


class LockedByTheDead(LeasesALock):
    lease = 1e9
    busy = 0


class ReadsOnAfterATimeout(SoundRemote):
    left = b""

    def converse(self, request: dict[str, Any]) -> Any:
        assert self.connection is not None
        self.connection.sendall(json.dumps(request).encode() + b"\n")
        while b"\n" not in self.left:
            part = self.connection.recv(65536)
            if not part:
                raise ConnectionResetError("the connection ended")
            self.left += part
        line, _, self.left = self.left.partition(b"\n")
        found = json.loads(line)
        return found and [base64.b64decode(found[0]), base64.b64decode(found[1]), *found[2:]]

    def drop(self) -> None:
        super().drop()
        self.left = b""

    def ask(self, request: dict[str, Any]) -> Any:
        with self.lock:
            try:
                return self.exchange(request)
            except TimeoutError as error:
                raise RendezvousConnectionError(
                    f"backend {self.name!r} at {self.params.endpoint!r} did not answer: {error}"
                ) from error
            except (OSError, ValueError) as error:
                self.drop()
                raise RendezvousConnectionError(
                    f"backend {self.name!r} at {self.params.endpoint!r} did not answer: {error}"
                ) from error


class WhatCameIsAll(SoundRemote):
    def converse(self, request: dict[str, Any]) -> Any:
        assert self.connection is not None
        self.connection.sendall(json.dumps(request).encode() + b"\n")
        answer = self.connection.recv(1 << 20)
        found = json.loads(answer or b"null")
        return found and [base64.b64decode(found[0]), base64.b64decode(found[1]), *found[2:]]


def _mutant(
    broken: type[SoundRemote],
    name: str,
    sentence: str,
    *breaks: str,
    message: str | tuple[str, ...],
    may_break: tuple[str, ...] = (),
) -> Mutant:
    factory = accepts_options(READ_TIMEOUT)(lambda params: broken(params))
    full, may = (tuple(f"RDZV-{number}" for number in numbers) for numbers in (breaks, may_break))
    return Mutant(name, sentence, full, message, factory, may, remotely)


MUTANTS = (
    _mutant(
        RawErrors,
        "raw-errors",
        "The socket's own errors come through.",
        *("CONN-3", "CONN-1", "CONN-2", "CONN-4", "CONN-5", "LIFE-2", "LIFE-3"),
        message="raised ConnectionRefusedError",
        may_break=("CAS-14",),
    ),
    _mutant(
        WaitsForEver,
        "waits-for-ever",
        "No timeout is set: a store that falls silent stops its users.",
        *("CONN-4", "CONN-3"),
        message="has not returned",
    ),
    _mutant(
        NeverReconnects,
        "never-reconnects",
        "A connection that broke once is broken for good (E9).",
        "CONN-5",
        message="after the store came back",
        may_break=("CONN-3",),
    ),
    _mutant(
        NamesNothing,
        "names-nothing",
        "The error does not say what could not be reached.",
        "CONN-2",
        message="does not name the backend",
    ),
    _mutant(
        ChainsNoCause,
        "chains-no-cause",
        "The error does not say why.",
        "CONN-2",
        message="chains no cause",
    ),
    _mutant(
        RetriesWrites,
        "retries-writes",
        "A client library that sends a write again when its answer was lost: one's own success comes back as refused.",
        "CAS-14",
        message="whose answer was lost",
        may_break=("LIFE-3", "CONN-4"),
    ),
    _mutant(
        LocksInTheProcess,
        "locks-in-the-process",
        "Comparing and writing are held together by a lock of the process, of which other processes know nothing.",
        "CAS-13",
        message="each token has one winner",
        may_break=("CONN-4",),
    ),
    _mutant(
        NamesNoEndpoint,
        "names-no-endpoint",
        "A malformed endpoint is an error of whatever parsed it.",
        "PARAM-4",
        message="does not name it",
    ),
    _mutant(
        CloseWaits,
        "close-waits",
        "close() needs the lock that a waiting call holds.",
        "LIFE-3",
        message="close() has not returned",
    ),
    _mutant(
        WritesInTwoSteps,
        "in-two-writes",
        "A write first reserves the register and then fills it: a process killed in between leaves an empty one.",
        "CONN-7",
        message="it must be whole",
        may_break=("CONN-8", "CONN-9", "CAS-14", "CAS-9", "CAS-11", "CAS-12", "CAS-13", "CONN-5", "STATE-5"),
    ),
    _mutant(
        LockedByTheDead,
        "locked-by-the-dead",
        "A lock is kept in the store, and nobody breaks that of a client which died.",
        "CONN-7",
        message="it is locked",
        may_break=("CONN-9", "CAS-14", "CONN-5", "CAS-9", "CAS-11", "CAS-12", "CONN-4", "LIFE-3"),
    ),
    _mutant(
        LeasesALock,
        "leases-a-lock",
        "A lock is taken over after a while: a process stopped while it held it goes on and overwrites the others.",
        "CONN-8",
        message="after a process was stopped in the middle of a call and went on",
        may_break=("CONN-7", "CONN-9", "CAS-14", "CONN-5", "CAS-9", "CAS-11", "CAS-12", "CAS-13", "CONN-4", "LIFE-3"),
    ),
    _mutant(
        ReadsOnAfterATimeout,
        "reads-on-after-a-timeout",
        "The connection is kept after a timeout: the late answer is taken for that of the next call.",
        "CONN-9",
        message=("after an answer came late", "get_state() has not returned"),
        may_break=("CONN-3", "CONN-5", "CONN-4", "CAS-14"),
    ),
    _mutant(
        WhatCameIsAll,
        "what-came-is-all",
        "One recv is taken for one answer.",
        "CONN-9",
        message="did not answer",
        may_break=(
            "LIFE-3",
            "CONN-7",
            "STATE-4",
            "STATE-5",
            "CONN-3",
            "CAS-14",
            "CONN-5",
            "CONN-1",
            "CONN-2",
            "CONN-4",
        ),
    ),
)

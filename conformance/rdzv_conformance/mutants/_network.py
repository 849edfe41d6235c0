"""Mutants of RDZV-CONN and RDZV-CAS-14: what a connection does to a backend."""

from __future__ import annotations

import threading
from typing import Any

from rdzv_conformance.mutants._catalogue import Mutant
from rdzv_conformance.mutants._remote import READ_TIMEOUT, SoundRemote
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
            if found is None or token is None or token != found.token:
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


def _mutant(
    broken: type[SoundRemote], name: str, sentence: str, *breaks: str, message: str, may_break: tuple[str, ...] = ()
) -> Mutant:
    factory = accepts_options(READ_TIMEOUT)(lambda params: broken(params))
    full, may = (tuple(f"RDZV-{number}" for number in numbers) for numbers in (breaks, may_break))
    return Mutant(name, sentence, full, message, factory, may, remote=True)


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
)

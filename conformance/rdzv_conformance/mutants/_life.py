"""Mutants of RDZV-LIFE and RDZV-PKG, and of the fork of RDZV-CONN-6: what an instance leaves and disturbs."""

from __future__ import annotations

import os
import tempfile
import threading

from rdzv_conformance.mutants._memory import SoundMemory, mutant
from rdzv_core import RendezvousConnectionError, RendezvousParameters, SetStateResult, StateSnapshot, Token


@mutant(
    "close-does-nothing",
    "close() is inherited: the instance goes on, and so do its waiters.",
    "LIFE-2",
    "LIFE-3",
    message="it must raise a RendezvousConnectionError",
    may_break=("LIFE-7",),
)
class CloseDoesNothing(SoundMemory):
    def close(self) -> None:
        pass


@mutant(
    "close-only-once",
    "The second close() fails on what the first one took away.",
    "LIFE-1",
    message="raised AttributeError",
    may_break=("LIFE-5",),
)
class CloseOnlyOnce(SoundMemory):
    def __init__(self, params: RendezvousParameters) -> None:
        super().__init__(params)
        self._connection = object()

    def close(self) -> None:
        del self._connection
        super().close()


@mutant(
    "close-wakes-nobody",
    "close() marks the instance as closed, and a waiter finds out when the wait is over.",
    "LIFE-3",
    message="it must end within 1 s",
)
class CloseWakesNobody(SoundMemory):
    def close(self) -> None:
        self._closed = True


@mutant(
    "closed-is-a-value-error",
    "A closed instance answers with the error of the library below.",
    "LIFE-2",
    "LIFE-3",
    message="raised ValueError",
    may_break=("LIFE-7",),
)
class ClosedIsAValueError(SoundMemory):
    def _check_open(self) -> None:
        if self._closed:
            raise ValueError("I/O operation on a closed connection")


@mutant(
    "close-closes-all",
    "The connection is shared and not counted: the first to close it closes it for all.",
    "LIFE-5",
    "LIFE-2",
    "STATE-9",
    message="raised RendezvousConnectionError",
    may_break=("LIFE-1", "LIFE-3", "LIFE-6", "LIFE-7", "CAS-7"),
)
class CloseClosesAll(SoundMemory):
    def close(self) -> None:
        super().close()
        vars(self.hub).setdefault("gone", set()).add(self._params.run_id)

    def _check_open(self) -> None:
        if self._closed or self._params.run_id in vars(self.hub).get("gone", ()):
            raise RendezvousConnectionError("closed")


@mutant(
    "leaves-a-thread",
    "A keep-alive thread that nobody stops.",
    "LIFE-4",
    message="thread leaked keep-alive",
)
class LeavesAThread(SoundMemory):
    def __init__(self, params: RendezvousParameters) -> None:
        super().__init__(params)
        threading.Thread(target=threading.Event().wait, name="leaked keep-alive", daemon=True).start()


@mutant(
    "leaves-a-descriptor",
    "A socket or file that close() forgets.",
    "LIFE-4",
    message="file descriptor",
)
class LeavesADescriptor(SoundMemory):
    def __init__(self, params: RendezvousParameters) -> None:
        super().__init__(params)
        self._descriptor = os.dup(0)


@mutant(
    "leaves-a-temp-file",
    "A lock file in the temp directory for every instance.",
    "LIFE-4",
    message="temp file",
)
class LeavesATempFile(SoundMemory):
    def __init__(self, params: RendezvousParameters) -> None:
        super().__init__(params)
        descriptor, _ = tempfile.mkstemp(prefix="rdzv-mutant-")
        os.close(descriptor)


@mutant(
    "leaves-a-descriptor-on-an-error",
    "A connection is taken from the pool, and not given back where the request is refused.",
    "LIFE-4",
    message="test_RDZV_STATE_5_too_large_a_state_is_a_value_error left behind, though all was closed: file descriptor",
)
class LeavesADescriptorOnAnError(SoundMemory):
    def set_state(self, state: bytes, token: Token | None = None) -> SetStateResult | None:
        taken = os.dup(0)
        result = super().set_state(state, token)
        os.close(taken)
        return result


@mutant(
    "leaves-a-key",
    "Every write first sets a lock key, which only its next write takes away.",
    "LIFE-6",
    message="the keys in the store of registers that were deleted",
)
class LeavesAKey(SoundMemory):
    def set_state(self, state: bytes, token: Token | None = None) -> SetStateResult | None:
        self.hub.raw[f"{self.key}.lock"] = b"held"
        return super().set_state(state, token)


@mutant(
    "raw-error-after-a-fork",
    "After a fork the library's own error comes through.",
    "CONN-6",
    message="told ProcessLookupError",
)
class RawErrorAfterAFork(SoundMemory):
    def get_state(self) -> StateSnapshot | None:
        if os.getpid() != self.hub.pid:
            raise ProcessLookupError("the connection belongs to another process")
        return super().get_state()


@mutant(
    "of-no-version",
    "The backend states a version of the contract that there is not.",
    "PKG-3",
    message="contract_version is 0",
)
class OfNoVersion(SoundMemory):
    contract_version = 0


@mutant(
    "sibling-of-another-name",
    "A sibling is made by hand and says another name.",
    "PKG-2",
    message="the name of a sibling",
    may_break=("RUN-3", "RUN-4", "LIFE-6", "LIST-1"),
)
class SiblingOfAnotherName(SoundMemory):
    @property
    def name(self) -> str:
        return "nameless" if self._params.purpose else super().name


MUTANTS = (
    CloseDoesNothing,
    CloseOnlyOnce,
    CloseWakesNobody,
    ClosedIsAValueError,
    CloseClosesAll,
    LeavesAThread,
    LeavesADescriptor,
    LeavesATempFile,
    LeavesADescriptorOnAnError,
    LeavesAKey,
    RawErrorAfterAFork,
    OfNoVersion,
    SiblingOfAnotherName,
)

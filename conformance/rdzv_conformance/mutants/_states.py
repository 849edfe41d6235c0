"""Mutants of RDZV-STATE and RDZV-RUN: what is kept, and where."""

from __future__ import annotations

from rdzv_conformance.mutants._memory import SoundMemory, mutant
from rdzv_core import RendezvousParameters, RendezvousStateError, SetStateResult, StateSnapshot, Token, register_key


@mutant(
    "get-waits",
    "get_state is a client library's blocking get: it waits for a key that is not there (E8).",
    "STATE-1",
    message="it must not wait for a state",
    may_break=("STATE-9", "CAS-6", "RUN-1", "RUN-2", "RUN-3", "RUN-4", "CAS-8", "CAS-11", "CAS-12"),
)
class GetWaits(SoundMemory):
    _reads = 0

    def get_state(self) -> StateSnapshot | None:
        self._reads += 1
        if self._reads == 2:  # once, so that the hunt ends some day
            self.wait_state(None, 2.2)
        return super().get_state()


@mutant(
    "write-behind",
    "A write is acknowledged with a provisional token, before the store has given the real one.",
    "CAS-1",
    message="the token after it was created",
    may_break=(
        *(f"STATE-{number}" for number in (3, 4, 5, 7, 8, 9)),
        "LIFE-1",
        *(f"CAS-{number}" for number in (*range(2, 11), 11, 12)),
        *("RUN-1", "RUN-2", "RUN-3", "LIFE-2", "LIFE-3", "LIFE-5", "LIFE-6"),
    ),
)
class WriteBehind(SoundMemory):
    def set_state(self, state: bytes, token: Token | None = None) -> SetStateResult | None:
        answer = super().set_state(state, token)
        return answer._replace(token=b"pending " + state[:8]) if answer and answer.has_set else answer


@mutant(
    "acknowledges-and-forgets",
    "A write is acknowledged, and lost before it is stored.",
    "STATE-2",
    message="gave None after set_state(b'first')",
    may_break=tuple(
        f"{section}-{number}"
        for section, numbers in {"STATE": 9, "CAS": 12, "RUN": 4, "LIFE": 6}.items()
        for number in range(1, numbers + 1)
    ),
)
class AcknowledgesAndForgets(SoundMemory):
    def set_state(self, state: bytes, token: Token | None = None) -> SetStateResult | None:
        with self.opened():
            found = self.get_state()
            there = self.hub.raw.get(self.key)
            answer = super().set_state(state, token)
            if found is None and there is None:
                self.hub.raw.pop(self.key, None)
            return answer


@mutant(
    "empty-is-absent",
    "`if not state: return None` takes an empty state for none (E3).",
    "STATE-3",
    "STATE-9",
    message="no value reads as no state",
)
class EmptyIsAbsent(SoundMemory):
    def get_state(self) -> StateSnapshot | None:
        found = super().get_state()
        return found if found and found.state else None


@mutant(
    "sentinel",
    "A value that marks 'nothing there' in the store reads as None when somebody writes it (E4).",
    "STATE-3",
    message="no value reads as no state",
)
class Sentinel(SoundMemory):
    def get_state(self) -> StateSnapshot | None:
        found = super().get_state()
        return None if found and found.state == b"canimadam" else found


@mutant(
    "strips",
    "The state passes through a text protocol that strips white space at its ends.",
    "STATE-3",
    message="the state",
    may_break=("RUN-2", "STATE-5"),
)
class Strips(SoundMemory):
    def get_state(self) -> StateSnapshot | None:
        found = super().get_state()
        return found and found._replace(state=found.state.strip(b"\r\n "))


@mutant(
    "64-kib",
    "A column of limited length cuts the state off without a word.",
    "STATE-4",
    "STATE-5",
    message="(65536 bytes)",
)
class CutOff(SoundMemory):
    def set_state(self, state: bytes, token: Token | None = None) -> SetStateResult | None:
        if len(state) > self.max_state_bytes:
            raise ValueError("too long")
        return super().set_state(state[: 64 * 1024], token)


@mutant(
    "any-size",
    "Nobody looks at the size before it is sent (E6).",
    "STATE-5",
    message="it must raise a ValueError",
)
class AnySize(SoundMemory):
    def set_state(self, state: bytes, token: Token | None = None) -> SetStateResult | None:
        with self.opened() as changed:
            changed.notify_all()
            return self.hub.registers.set(self.key, state, token)


@mutant(
    "corrupt-is-none",
    "`except ValueError: return None` in the decoder: corrupt storage reads as 'no state' and is overwritten.",
    "STATE-6",
    "STATE-7",
    message="it must raise a RendezvousStateError",
)
class CorruptIsNone(SoundMemory):
    def get_state(self) -> StateSnapshot | None:
        try:
            return super().get_state()
        except RendezvousStateError:
            return None

    def set_state(self, state: bytes, token: Token | None = None) -> SetStateResult | None:
        try:
            return super().set_state(state, token)
        except RendezvousStateError:
            self.delete_state()
            return super().set_state(state)


@mutant(
    "empty-is-none",
    "`if not raw: return None` in the decoder: what was truncated to 0 bytes reads as 'no state' and is overwritten.",
    "STATE-6",
    "STATE-7",
    message="it must raise a RendezvousStateError",
)
class EmptyIsNone(SoundMemory):
    def get_state(self) -> StateSnapshot | None:
        return None if self.hub.raw.get(self.key) == b"" else super().get_state()

    def set_state(self, state: bytes, token: Token | None = None) -> SetStateResult | None:
        if self.hub.raw.get(self.key) == b"":
            self.delete_state()
        return super().set_state(state, token)


@mutant(
    "corrupt-is-overwritten",
    "A write without a token does not look at what is stored.",
    "STATE-7",
    message="it must raise a RendezvousStateError",
)
class CorruptIsOverwritten(SoundMemory):
    def set_state(self, state: bytes, token: Token | None = None) -> SetStateResult | None:
        try:
            return super().set_state(state, token)
        except RendezvousStateError:
            if token is not None:
                raise
            self.delete_state()
            return super().set_state(state)


@mutant(
    "reads-its-own-cache",
    "An instance answers reads from what it wrote last, to save a round trip.",
    "STATE-8",
    message="the state in the first instance",
    may_break=(
        "RUN-3",
        "CAS-10",
        "CAS-8",
        "CAS-9",
        "CAS-11",
        "CAS-12",
        "LIFE-2",
        "STATE-6",
        "STATE-7",
        "CAS-7",
        "LIFE-5",
    ),
)
class ReadsItsOwnCache(SoundMemory):
    _cached: StateSnapshot | None = None

    def get_state(self) -> StateSnapshot | None:
        return self._cached or super().get_state()

    def set_state(self, state: bytes, token: Token | None = None) -> SetStateResult | None:
        answer = super().set_state(state, token)
        self._cached = answer and StateSnapshot(answer.state, answer.token)
        return answer


@mutant(
    "constructor-clears",
    "A constructor that 'makes sure there is nothing stale' deletes an empty state (E3).",
    "STATE-9",
    message="gave None after another instance was created",
    may_break=("STATE-3",),
)
class ConstructorClears(SoundMemory):
    def __init__(self, params: RendezvousParameters) -> None:
        super().__init__(params)
        try:
            found = self.get_state()
        except RendezvousStateError:
            return
        if found and not found.state:
            self.delete_state()


@mutant(
    "run-ends-at-a-slash",
    "The run id becomes a path, and only its first part is kept (E10).",
    "RUN-2",
    "RUN-4",
    message="does another run share its key?",
    may_break=("RUN-1", "RUN-3"),
)
class RunEndsAtASlash(SoundMemory):
    def __init__(self, params: RendezvousParameters) -> None:
        super().__init__(params)
        self.key = register_key(params.run_id.split("/")[0] or "/", params.purpose)


@mutant(
    "run-in-any-case",
    "The run id becomes a file name on a file system that ignores case.",
    "RUN-2",
    message="does another run share its key?",
    may_break=("RUN-4", "RUN-1", "RUN-3"),
)
class RunInAnyCase(SoundMemory):
    def __init__(self, params: RendezvousParameters) -> None:
        super().__init__(params)
        self.key = register_key(params.run_id.lower(), params.purpose)


@mutant(
    "one-run-only",
    "The key does not depend on the run id.",
    "RUN-1",
    "RUN-2",
    "RUN-4",
    message="of a run after another run was written",
    may_break=tuple(
        f"{section}-{number}"
        for section, numbers in {"STATE": 9, "CAS": 12, "RUN": 4, "LIFE": 6, "PARAM": 4, "LIST": 2}.items()
        for number in range(1, numbers + 1)
    ),
)
class OneRunOnly(SoundMemory):
    def __init__(self, params: RendezvousParameters) -> None:
        super().__init__(params)
        self.key = register_key("always", params.purpose)


@mutant(
    "sibling-is-the-same",
    "sibling() ignores its purpose: everything of a run is in one register.",
    "RUN-3",
    "RUN-4",
    message="of a sibling after the run's own register was written",
    may_break=("CAS-5", "LIFE-5", "RUN-1", "STATE-9", "LIFE-1"),
)
class SiblingIsTheSame(SoundMemory):
    def __init__(self, params: RendezvousParameters) -> None:
        super().__init__(params)
        self.key = register_key(params.run_id)


@mutant(
    "purpose-behind-a-slash",
    "The key of a sibling is the run id, a slash and the purpose (E10).",
    "RUN-4",
    message="of the new",
    may_break=("RUN-2", "STATE-6", "STATE-7", "PARAM-3", "LIFE-6", "RUN-1", "RUN-3"),
)
class PurposeBehindASlash(SoundMemory):
    def __init__(self, params: RendezvousParameters) -> None:
        super().__init__(params)
        self.key = f"{params.run_id}/{params.purpose}" if params.purpose else params.run_id


MUTANTS = (
    GetWaits,
    WriteBehind,
    AcknowledgesAndForgets,
    EmptyIsAbsent,
    Sentinel,
    Strips,
    CutOff,
    AnySize,
    CorruptIsNone,
    EmptyIsNone,
    CorruptIsOverwritten,
    ReadsItsOwnCache,
    ConstructorClears,
    RunEndsAtASlash,
    RunInAnyCase,
    OneRunOnly,
    SiblingIsTheSame,
    PurposeBehindASlash,
)

"""Mutants of RDZV-DURABLE: what a store keeps when it is killed, and what a client has told too early."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

from rdzv_conformance.harness.helpers import Helpers
from rdzv_conformance.mutants._mutant import Mutant
from rdzv_conformance.mutants._remote import READ_TIMEOUT, RemoteStore, SoundRemote
from rdzv_conformance.mutants._settings import Place, Setting
from rdzv_core import RendezvousBackend, RendezvousParameters, SetStateResult, Token, accepts_options
from rdzv_core.envelope import NONCE_BYTES, seal
from rdzv_core.memory._registers import RegisterTable

Survives = Callable[[RegisterTable], RegisterTable]


class SoundKept(SoundRemote):
    """Its server keeps everything when it is killed."""

    durable = True


@accepts_options(READ_TIMEOUT)
def sound_kept(params: RendezvousParameters) -> RendezvousBackend:
    """Make it."""
    return SoundKept(params)


def kept(survives: Survives = lambda registers: registers, table: type[RegisterTable] = RegisterTable) -> Setting:
    """A server that is killed and keeps what `survives`."""

    @contextmanager
    def setting() -> Iterator[Place]:
        with RemoteStore(survives=survives, registers=table()) as store:
            yield Place(store.endpoint, {}, Helpers(restart=store.restart))

    return _setting(setting)


def _setting(setting: Callable[[], AbstractContextManager[Place]]) -> Setting:
    return setting


def _nothing(_: RegisterTable) -> RegisterTable:
    return RegisterTable()


class _Snapshots(RegisterTable):
    """Goes to disk now and then."""

    def __init__(self) -> None:
        super().__init__()
        self.writes, self.on_disk = 0, dict[str, bytes]()

    def set(self, key: str, state: bytes, token: object) -> SetStateResult | None:
        answer = super().set(key, state, token)
        self.writes += 1
        if self.writes % 1009 == 0:
            self.on_disk = dict(self.raw)
        return answer


def _what_was_on_disk(registers: RegisterTable) -> RegisterTable:
    assert isinstance(registers, _Snapshots)
    again = _Snapshots()
    again.raw = again.on_disk = registers.on_disk
    return again


def _torn(registers: RegisterTable) -> RegisterTable:
    again = RegisterTable()
    again.raw = {key: raw[: len(raw) // 2] for key, raw in registers.raw.items()}
    return again


class _Counting(RegisterTable):
    """Its tokens are a number, which is not kept."""

    def __init__(self) -> None:
        super().__init__()
        self.writes = 0

    def set(self, key: str, state: bytes, token: object) -> SetStateResult | None:
        answer = super().set(key, state, token)
        if answer is None or not answer.has_set:
            return answer
        self.writes += 1
        nonce = self.writes.to_bytes(NONCE_BYTES, "big")
        self.raw[key] = seal(state, nonce)
        return SetStateResult(state, nonce, True)


def _counted_anew(registers: RegisterTable) -> RegisterTable:
    again = _Counting()
    again.raw = registers.raw
    return again


class ReplacesInTwoSteps(SoundKept):
    def set_state(self, state: bytes, token: Token | None = None) -> SetStateResult | None:
        reserved = super().set_state(b"", token)
        return super().set_state(state, reserved.token) if reserved and reserved.has_set else reserved


def _mutant(
    name: str,
    sentence: str,
    *breaks: str,
    message: str,
    may_break: tuple[str, ...] = (),
    setting: Setting | None = None,
    broken: type[SoundKept] = SoundKept,
) -> Mutant:
    factory = accepts_options(READ_TIMEOUT)(lambda params: broken(params))
    full, may = (tuple(f"RDZV-{number}" for number in numbers) for numbers in (breaks, may_break))
    return Mutant(name, sentence, full, message, factory, may, setting or kept())


MUTANTS = (
    _mutant(
        "keeps-nothing",
        "The store says that it is durable, and keeps everything in memory.",
        *("DURABLE-1", "DURABLE-2"),
        message="that were acknowledged are lost",
        setting=kept(_nothing),
    ),
    _mutant(
        "to-disk-now-and-then",
        "A write is acknowledged when it is in memory, and goes to disk with the next snapshot.",
        "DURABLE-1",
        may_break=("DURABLE-2",),
        message="that were acknowledged are lost",
        setting=kept(_what_was_on_disk, _Snapshots),
    ),
    _mutant(
        "torn-by-the-kill",
        "The file is written in place, and a kill leaves half of it.",
        *("DURABLE-1", "DURABLE-2"),
        message="torn rdzv state",
        setting=kept(_torn),
    ),
    _mutant(
        "counts-anew",
        "The token is a counter of the process, which begins at one again after a restart.",
        "DURABLE-2",
        message="has a token of one before it",
        setting=kept(_counted_anew, _Counting),
        may_break=("DURABLE-1",),
    ),
    _mutant(
        "in-two-steps",
        "A write first reserves the register and then fills it: a process killed in between leaves an empty one.",
        "DURABLE-1",
        message="it must be whole",
        broken=ReplacesInTwoSteps,
        may_break=("DURABLE-2",),
    ),
)

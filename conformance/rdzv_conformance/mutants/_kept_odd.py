"""Mutants of RDZV-DURABLE-1: what a log, read again, makes of what is odd."""

from __future__ import annotations

from collections.abc import Callable

from rdzv_conformance.mutants._kept import _mutant, kept
from rdzv_conformance.mutants._mutant import Mutant
from rdzv_core import SetStateResult
from rdzv_core.envelope import seal, unseal
from rdzv_core.memory._registers import RegisterTable


def _only(wanted: Callable[[str, bytes], bool]) -> Callable[[RegisterTable], RegisterTable]:
    """Keep the registers of which the key and the state are `wanted`."""

    def survives(registers: RegisterTable) -> RegisterTable:
        again = type(registers)()
        again.raw = {key: raw for key, raw in registers.raw.items() if wanted(key, unseal(raw)[0])}
        return again

    return survives


def _lines(registers: RegisterTable) -> RegisterTable:
    again = RegisterTable()
    for key, raw in registers.raw.items():
        state, nonce = unseal(raw)
        again.raw[key] = seal(state.partition(b"\n")[0], nonce)
    return again


class _Logged(RegisterTable):
    """Logs what it is asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.refused: dict[str, bytes] = {}

    def set(self, key: str, state: bytes, token: object) -> SetStateResult | None:
        answer = super().set(key, state, token)
        self.refused.pop(key, None)
        if answer is not None and not answer.has_set:
            self.refused[key] = seal(state, bytes(answer.token))  # type: ignore[arg-type]
        return answer


def _done_again(registers: RegisterTable) -> RegisterTable:
    assert isinstance(registers, _Logged)
    again = _Logged()
    again.raw = {**registers.raw, **registers.refused}
    return again


class _Numbered(RegisterTable):
    """Numbers the records of each register."""

    def __init__(self) -> None:
        super().__init__()
        self.records: dict[str, list[bytes]] = {}

    def set(self, key: str, state: bytes, token: object) -> SetStateResult | None:
        answer = super().set(key, state, token)
        if answer is not None and answer.has_set:
            self.records.setdefault(key, []).append(self.raw[key])
        return answer


def _of_the_highest_number(registers: RegisterTable) -> RegisterTable:
    assert isinstance(registers, _Numbered)
    again = _Numbered()
    for key in registers.raw:
        records = registers.records[key]
        again.records[key] = records
        again.raw[key] = records[-1] if len(records) <= 256 else records[255]
    return again


def _lost(name: str, sentence: str, wanted: Callable[[str, bytes], bool]) -> Mutant:
    return _mutant(name, sentence, "DURABLE-1", message="after kill 1", setting=kept(_only(wanted)))


MUTANTS = (
    _lost("purposes-in-memory", "Registers for a purpose are not written to disk.", lambda key, _: key.count(".") == 2),
    _lost("empty-is-a-deletion", "In the log an empty state is a deletion.", lambda _, state: state != b""),
    _lost(
        "large-ones-are-not-synced", "A state over 128 KiB has a file of its own.", lambda _, state: len(state) <= 2**17
    ),
    _lost("ascii-names-only", "A run whose name is not plain is not found in the log.", lambda key, _: "_" not in key),
    _mutant(
        "a-line-for-each-write",
        "The log has a line for each write, and a newline in a state ends it.",
        "DURABLE-1",
        message="after kill 1",
        setting=kept(_lines),
    ),
    _mutant(
        "refused-writes-are-done-again",
        "What is asked for is logged, and what was refused is done when the log is read.",
        "DURABLE-1",
        message="after kill 1",
        setting=kept(_done_again, _Logged),
        may_break=("DURABLE-2",),
    ),
    _mutant(
        "eight-bits-of-records",
        "The records of a register are numbered in 8 bits: after 256 an older one is taken for the newest.",
        "DURABLE-1",
        message="after kill 1",
        setting=kept(_of_the_highest_number, _Numbered),
        may_break=("DURABLE-2",),
    ),
)

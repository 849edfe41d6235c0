"""`spec/protocol.md` and the simulator agree."""

from __future__ import annotations

from pathlib import Path

from rdzv_simulation import FAULTS, INVARIANTS
from rdzv_simulation.mutants import MUTANTS


def test_the_protocol_is_written_down() -> None:
    """`spec/protocol.md` has every invariant in the words in which it is held, every kind of fault and every mutant."""
    text = (Path(__file__).parents[2] / "spec" / "protocol.md").read_text()
    for number, sentence in INVARIANTS.items():
        assert f"| {number} | {sentence} |" in text
    for kind in FAULTS:
        assert f"`{kind}`" in text
    for mutant in MUTANTS.values():
        assert f"| `{mutant.name}` | {mutant.stands_for} | I" in text

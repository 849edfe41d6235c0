"""The rules of spec/protocol.md as transcripts: what a machine is told, and what it does. `stage.py` has the language.

After a change that is meant, `RDZV_REWRITE_TRANSCRIPTS=1 pytest tests/handler/test_handler_transcripts.py` writes what
the machines do now into the files; read the difference before you commit it.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from .stage import Stage

_REWRITE = "RDZV_REWRITE_TRANSCRIPTS"
_TRANSCRIPTS = sorted((Path(__file__).parent / "transcripts").glob("*.txt"))
_SPEC = Path(__file__).parents[2] / "spec" / "protocol.md"


def _replayed(text: str) -> str:
    """Run the commands of a transcript, and return it with what happened."""
    stage, replayed = Stage(), []
    for step in text.strip().split("\n\n"):
        told, rule, _ = step.partition("\n----")
        commands = [line for line in told.splitlines() if not line.startswith("#")]
        happened = stage.run(commands)
        replayed.append("\n".join([told, "----", *happened]) if rule or commands else told)
    return "\n\n".join(replayed) + "\n"


@pytest.mark.parametrize("transcript", _TRANSCRIPTS, ids=lambda path: path.stem)
def test_the_machine_does_what_the_transcript_says(transcript: Path) -> None:
    """Events and times in, operations and outcomes out: to the line."""
    before = transcript.read_text()
    after = _replayed(before)
    if os.environ.get(_REWRITE):
        transcript.write_text(after)
    assert before.splitlines() == after.splitlines()


def test_every_rule_has_a_transcript_or_a_row_with_its_number() -> None:
    """A rule that is added to the spec needs one too."""
    rules = set(re.findall(r"^\| (R\d+) \|", _SPEC.read_text(), re.MULTILINE))
    shown = set()
    for path in [*_TRANSCRIPTS, *Path(__file__).parent.glob("test_handler_*.py")]:
        shown |= set(re.findall(r"\bR\d+\b", path.read_text()))
    assert rules <= shown, f"without any: {sorted(rules - shown)}"

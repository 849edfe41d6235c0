"""The examples work as described."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def test_a_checkpoint_of_a_stale_fence_is_refused_and_writes_nothing(tmp_path: Path) -> None:
    """A process that thaws after a later round has written cannot overwrite its work."""
    spec = importlib.util.spec_from_file_location("fenced_checkpoint", EXAMPLES / "fenced_checkpoint.py")
    assert spec is not None
    assert spec.loader is not None
    example = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(example)
    path = tmp_path / "model.ckpt"
    example.write_checkpoint(path, "e", 1, b"round 1")
    example.write_checkpoint(path, "e", 2, b"round 2")
    example.write_checkpoint(path, "e", 2, b"round 2, step 2")
    with pytest.raises(example.StaleFenceError, match="fence 1 of epoch e is refused"):
        example.write_checkpoint(path, "e", 1, b"thawed")
    assert b"round 2, step 2" == path.read_bytes()

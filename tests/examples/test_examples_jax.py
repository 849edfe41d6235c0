"""`examples/jax` does what it says, with a real JAX: the one of the Python that JAX_PYTHON names, or of this one."""

from __future__ import annotations

import importlib.util
import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

WEIGHTS = re.compile(r"step 300: loss \S+, weights \[(\S+), (\S+)\]")

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="session")
def jax() -> str:
    """Return the Python that has JAX; skip where there is none."""
    python = os.environ.get("JAX_PYTHON")
    if python:
        done = subprocess.run([python, "-c", "import jax"], capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(f"JAX_PYTHON={python} has no jax: {done.stderr.strip().splitlines()[-1:]}")
        return python
    if importlib.util.find_spec("jax") is None:
        pytest.skip("JAX_PYTHON names no Python that has jax, and this one has none")
    return sys.executable


def has_learned(said: str) -> bool:
    """Whether the training came to its end, and knows what there was to learn."""
    return any([2.0, -3.0] == pytest.approx([float(x), float(y)], abs=0.01) for x, y in WEIGHTS.findall(said))


def test_the_readmes_commands_train_on_when_a_node_is_killed(
    jax: str, start: Callable[..., Any], pasted: Callable[[str], str], environment: dict[str, str], tmp_path: Path
) -> None:
    """Three processes add up over all of them; one is killed, and two go on from its checkpoint to the end."""
    shims = tmp_path / "bin"
    shims.mkdir()
    (shims / "python").write_text(f'#!/bin/sh\nexec {shlex.quote(jax)} "$@"\n')
    (shims / "python").chmod(0o755)
    reader = start("bash", "-e", "-c", pasted("jax"), PATH=f"{shims}{os.pathsep}{environment['PATH']}")
    assert 0 == reader.ends(), reader.said()
    assert "3 processes go on from step 0" in reader.said()
    assert re.search(r"2 processes go on from step [1-9]", reader.said()), reader.said()
    assert has_learned(reader.said()), reader.said()


@pytest.mark.cases
@pytest.mark.parametrize("rank", [0, 1])
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP, signal.SIGTERM], ids=lambda each: each.name)
def test_a_training_goes_on_without_a_node(
    number: signal.Signals, rank: int, jax: str, start: Callable[..., Any], tmp_path: Path
) -> None:
    """Whichever it is: rank 0, whose end makes JAX end the others, or another; killed, frozen or told to stop."""
    where = ["--backend", "file", "--endpoint", str(tmp_path / "store"), "--run-id", "jax", "--nodes", "2:3"]
    options = ["--max-restarts", "9", "--option", "last_call_timeout=3", "--option", "ttl=6"]
    train = [jax, "examples/jax/train.py", "--checkpoint", str(tmp_path / "model.npz"), "--steps", "300"]
    nodes = [start("rdzv", "run", *where, *options, "--", *train) for _ in range(3)]
    ranks = [int(node.says(r"joined round \d+ as rank (\d) of 3")[1]) for node in nodes]
    nodes[ranks.index(0)].says(r"^step \d+: loss")
    struck = nodes.pop(ranks.index(rank))
    if number == signal.SIGTERM:
        struck.process.terminate()
    else:
        struck.strike(number)
    for node in nodes:
        node.says(r"joined round \d+ as rank \d of 2")
    assert [0, 0] == [node.ends() for node in nodes], "\n".join(node.said() for node in nodes)
    assert any(re.search(r"2 processes go on from step [1-9]", node.said()) for node in nodes)
    assert any(has_learned(node.said()) for node in nodes)

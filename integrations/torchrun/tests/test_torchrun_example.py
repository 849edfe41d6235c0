"""`examples/torch_ddp` does what it says."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks._torchrun_job import PEER, ROOT, Job, job, on_rdzv

EXAMPLE = ROOT / "examples" / "torch_ddp" / "train.py"
README = EXAMPLE.with_name("README.md").read_text("utf-8")
GOES_ON = re.compile(r"(\d+) processes go on from step (\d+)")


def await_said(run: Job, holds: Callable[[list[tuple[int, int]]], bool], seconds: float = 180.0) -> None:
    """Wait until what the nodes have said of going on holds."""
    until = time.monotonic() + seconds
    while not holds([(int(a), int(b)) for each in run.agents.values() for a, b in GOES_ON.findall(each.said())]):
        assert time.monotonic() < until, run.report()
        time.sleep(0.05)


@pytest.mark.cases
@pytest.mark.timeout(600)
def test_a_training_goes_on_from_its_checkpoint_when_a_node_is_killed(packages: Path, tmp_path: Path) -> None:
    """By those who are left, to its end; and it has learned what there was to learn."""
    model = tmp_path / "model.pt"
    worker = [str(EXAMPLE), "--checkpoint", str(model), "--steps", "300"]
    options = on_rdzv("file", str(tmp_path / "store"), "1:3", ttl=3, fence_delay=1, last_call_timeout=2)
    (tmp_path / "job").mkdir()
    with job(tmp_path / "job", options, {"PYTHONPATH": str(packages)}, worker=worker) as run:
        run.start("a", "b", "c")
        await_said(run, lambda said: (6, 0) in said)
        while not model.exists():
            time.sleep(0.05)
        run.agents["c"].kill()
        await_said(run, lambda said: any(processes == 4 and step > 0 for processes, step in said))
        assert [0, 0] == [run.agents[node].process.wait(180) for node in ("a", "b")], run.report()
        last = next(line for each in "ab" for line in run.agents[each].said().splitlines() if "step 300:" in line)
        weights = [float(number) for number in re.findall(r"-?\d+\.\d+", last.partition("weights")[2])]
        assert [2.0, -3.0] == pytest.approx(weights, abs=0.01)


@pytest.mark.cases
@pytest.mark.timeout(600)
def test_the_readmes_commands_train_on_when_an_agent_is_told_to_stop(packages: Path, tmp_path: Path) -> None:
    """As they are pasted: six workers begin, and four come to the end."""
    (tmp_path / "torchrun").write_text(
        f'#!/bin/sh\nexec {shlex.quote(os.environ[PEER])} -m torch.distributed.run "$@"\n'
    )
    (tmp_path / "torchrun").chmod(0o755)
    path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
    environment = {"PATH": path, "PYTHONPATH": str(packages), "TMPDIR": str(tmp_path), "OMP_NUM_THREADS": "1"}
    (commands,) = re.findall(r"```sh\n(.*?)```", README, re.DOTALL)
    with subprocess.Popen(
        ["bash", "-e", "-c", commands],
        cwd=ROOT,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as reader:
        try:
            said, _ = reader.communicate(timeout=480)
        except subprocess.TimeoutExpired:
            os.killpg(reader.pid, signal.SIGTERM)
            raise
    assert 0 == reader.returncode, said
    assert any(int(processes) == 4 and int(step) > 0 for processes, step in GOES_ON.findall(said)), said
    assert "step 300: loss" in said, said

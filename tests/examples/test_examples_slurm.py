"""`examples/slurm`: the batch script, run by a stub of Slurm that starts its real commands on this machine."""

from __future__ import annotations

import re
import shlex
import signal
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
SCRIPT = EXAMPLES / "slurm" / "job.sbatch"

SCONTROL = """
import sys
assert ["show", "hostnames", "node[1-4]"] == sys.argv[1:], sys.argv
print("127.0.0.1\\n" + "\\n".join(f"node{number}" for number in (2, 3, 4)))
"""

SRUN = """
import argparse, os, subprocess, sys

parser = argparse.ArgumentParser(allow_abbrev=False)
parser.add_argument("--no-kill", action="store_true", required=True)
parser.add_argument("--kill-on-bad-exit", choices=["0"], required=True)
parser.add_argument("--wait", choices=["0"], required=True)
parser.add_argument("command", nargs=argparse.REMAINDER)
command = parser.parse_args().command
tasks = []
for number in range(int(os.environ["SLURM_JOB_NUM_NODES"])):
    own = {"SLURM_PROCID": str(number), "SLURM_NODEID": str(number), "SLURM_LOCALID": "0"}
    tasks.append(subprocess.Popen(command, env={**os.environ, **own}))
print("tasks", *(task.pid for task in tasks), flush=True)
sys.exit(max(abs(task.wait()) for task in tasks))
"""


class Batch:
    """A batch job: the script's process, whose srun has printed the process ids of its tasks."""

    def __init__(self, program: Any) -> None:
        self.program = program
        self.says, self.said, self.ends = program.says, program.said, program.ends

    def tasks(self) -> list[int]:
        return [int(pid) for pid in self.says(r"^tasks (.+)$")[1].split()]

    def strike(self, number: int, *tasks: int) -> None:
        """Send a signal to every process of these tasks, as Slurm does to a step."""
        for task in tasks:
            self.program.strike(number, task)


def job_id() -> str:
    """Return a job's id whose port is free."""
    for number in range(5000, 6000):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", 20000 + number))
            except OSError:
                continue
            return str(number)
    raise AssertionError("no port is free")


@pytest.fixture
def sbatch(start: Callable[..., Any], environment: dict[str, str], tmp_path: Path) -> Callable[..., Batch]:
    """Return what submits the script under a name, with arguments for its job."""
    stubs = tmp_path / "slurm"
    stubs.mkdir()
    for name, program in (("scontrol", SCONTROL), ("srun", SRUN)):
        (stubs / f"{name}.py").write_text(program)
        (stubs / name).write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} {stubs / name}.py "$@"\n')
        (stubs / name).chmod(0o755)

    def submit(*arguments: str, name: str = "train-1", **more: str) -> Batch:
        given = {
            "SLURM_JOB_NAME": name,
            "SLURM_JOB_ID": job_id(),
            "SLURM_JOB_NODELIST": "node[1-4]",
            "SLURM_JOB_NUM_NODES": option("nodes"),
            "STATE": str(tmp_path / "state"),
            "RDZV_OPTION_LAST_CALL_TIMEOUT": "3",
            "PATH": f"{stubs}:{environment['PATH']}",
        }
        return Batch(start("bash", str(SCRIPT), *arguments, cwd=EXAMPLES, **{**given, **more}))

    return submit


def option(name: str) -> str:
    """Return an #SBATCH option of the script."""
    found = re.search(rf"^#SBATCH --{name}=(\S+)$", SCRIPT.read_text("utf-8"), re.MULTILINE)
    assert found, name
    return found[1]


@pytest.mark.timeout(300)
def test_a_job_is_warned_loses_a_machine_runs_out_of_time_and_goes_on(
    sbatch: Callable[..., Batch], tmp_path: Path
) -> None:
    """SIGUSR1 saves at once, a node's death ends nobody else, SIGTERM ends all; submitted again it comes to its end."""
    checkpoint = tmp_path / "state" / "train-1" / "checkpoints" / "train-1.json"
    first = sbatch("--steps", "100000", "--every", "100000")
    for rank in range(4):
        first.says(rf"rank {rank} of 4 goes on from step 0")
    assert not checkpoint.exists()
    assert "USR1@60" == option("signal")
    first.strike(signal.SIGUSR1, *first.tasks())
    saved = int(first.says(r"told that the time is nearly up: saved step (\d+)")[1])
    assert checkpoint.exists()

    first.strike(signal.SIGKILL, first.tasks()[2])
    resumed = [int(first.says(rf"rank {rank} of 3 goes on from step (\d+)")[1]) for rank in range(3)]
    assert all(step >= saved for step in resumed)

    first.strike(signal.SIGTERM, *first.tasks())
    assert 0 != first.ends()
    assert 3 == first.said().count("got SIGTERM; passing it on to the command, then leaving"), first.said()

    second = sbatch("--steps", str(resumed[0] + 20))
    steps = {int(second.says(rf"rank {rank} of 4 goes on from step (\d+)")[1]) for rank in range(4)}
    assert min(steps) >= saved
    assert 0 == second.ends(), second.said()
    assert f'{{"step": {resumed[0] + 20}}}' == checkpoint.read_text()


def test_the_secret_is_the_users_alone(sbatch: Callable[..., Batch], tmp_path: Path) -> None:
    """It is made once for all jobs of a name, and no other user can read it."""
    token = tmp_path / "state" / "train-1" / "token"
    job = sbatch("--steps", "1")
    assert 0 == job.ends(), job.said()
    kept = token.read_text()
    assert (0o600, 45) == (token.stat().st_mode & 0o777, len(kept))
    again = sbatch("--steps", "1")
    assert 0 != again.ends()
    assert "the run is closed" in again.said()
    assert kept == token.read_text()


def test_the_readme_submits_the_script(pasted: Callable[[str], str]) -> None:
    """From the directory in which its job is found."""
    assert "cd examples\nsbatch slurm/job.sbatch --steps 600\n" == pasted("slurm")

"""A job of real torchrun agents, one a node, on this machine: started, struck, and watched by what its workers write.

Needs a Python that has torch; what of rdzv that Python needs is built and installed beside it by `installed`.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
WORKER = ROOT / "benchmarks" / "_torchrun_worker.py"
PROJECTS = [".", "plugins/tcp", "plugins/file", "plugins/etcd", "integrations/torchrun", "examples/rdzv-sqlite"]
PEER = "PEER_PYTHON"

_LOOK = 0.05
_QUIET = ["--disable-pip-version-check", "-q"]


def why_no_torch() -> str:
    """Return why no Python with torch is at hand; empty if there is one."""
    python = os.environ.get(PEER)
    if not python:
        return f"{PEER} names no Python that has torch"
    code = "import torch.distributed.run"
    done = subprocess.run([python, "-c", code], capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else f"{PEER}={python} has no torch: {done.stderr.strip().splitlines()[-1:]}"


def installed(into: Path, *more: str) -> Path:
    """Install the wheels of this tree, and `more`, for PEER_PYTHON; returns the directory to put on its path."""
    wheels, packages = into / "wheels", into / "packages"
    build = [sys.executable, "-m", "pip", "wheel", *_QUIET, "--no-deps", "--no-build-isolation", "-w", str(wheels)]
    subprocess.run([*build, *PROJECTS], cwd=ROOT, check=True)
    built = sorted(map(str, wheels.glob("*.whl")))
    install = [os.environ[PEER], "-m", "pip", "install", *_QUIET, "--target", str(packages)]
    subprocess.run([*install, *built, *more], check=True)
    return packages


@dataclass
class Agent:
    """The torchrun agent of one node, with its workers."""

    node: str
    process: subprocess.Popen[bytes]
    output: Path
    stopped: bool = False

    def pids(self) -> list[int]:
        """Return the agent's process and all below it, workers included."""
        found = [self.process.pid]
        for pid in found:
            with contextlib.suppress(OSError):  # it has just ended
                found += map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())
        return found

    def strike(self, number: int) -> float:
        """Send a signal to the whole node; returns when."""
        pids = self.pids()
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
        return time.monotonic()

    def kill(self) -> float:
        """Kill the node as a power cut would."""
        return self.strike(signal.SIGKILL)

    def freeze(self) -> float:
        """Stop all of the node's processes: as a machine that hangs, or whose cable was pulled."""
        self.stopped = True
        return self.strike(signal.SIGSTOP)

    def thaw(self) -> float:
        """Let them go on."""
        self.stopped = False
        return self.strike(signal.SIGCONT)

    def terminate(self) -> float:
        """Tell the agent to stop, as a scheduler does."""
        self.process.terminate()
        return time.monotonic()

    def said(self) -> str:
        """Return what agent and workers have written so far."""
        return self.output.read_text(errors="replace")


@dataclass
class Job:
    """Nodes of one run; `torchrun` are the options that all of them get, `environment` is beside this process' own."""

    folder: Path
    torchrun: Sequence[str]
    environment: Mapping[str, str]
    workers: int = 2
    worker: Sequence[str] = ()
    launcher: Sequence[str] = ()
    """What starts the workers of a node; by default torchrun."""
    agents: dict[str, Agent] = field(default_factory=dict)

    @property
    def over(self) -> Path:
        """The file upon which all workers end."""
        return self.folder / "over"

    def start(self, *nodes: str) -> list[Agent]:
        """Start the agents of some nodes."""
        return [self._start(node) for node in nodes]

    def _start(self, node: str) -> Agent:
        output = self.folder / f"{node}.out"
        script = self.worker or [str(WORKER), str(self.folder), "--until", str(self.over)]
        launcher = self.launcher or [os.environ[PEER], "-m", "torch.distributed.run"]
        command = [*launcher, *self.torchrun]
        with output.open("ab") as file:
            process = subprocess.Popen(
                [*command, f"--nproc-per-node={self.workers}", *script],
                env={**os.environ, **self.environment, "NODE": node, "OMP_NUM_THREADS": "1"},
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                start_new_session=True,
            )
        self.agents[node] = Agent(node, process, output)
        return self.agents[node]

    def records(self) -> list[dict[str, Any]]:
        """Return what the workers have written, whole lines only, by time."""
        lines = [line for path in self.folder.glob("*.jsonl") for line in path.read_text().split("\n")[:-1]]
        found: list[dict[str, Any]] = [json.loads(line) for line in lines]
        return sorted(found, key=lambda each: float(each["at"]))

    def training(self, *nodes: str, since: float = 0.0) -> float | None:
        """Return when all workers of just these nodes had done a step together after `since`; None: not yet."""
        size = len(nodes) * self.workers
        first: dict[tuple[str, int], dict[str, Any]] = {}
        for each in self.records():
            if each["what"] == "step" and each["at"] > since and each["sum"] == each["world_size"] == size:
                first.setdefault((each["node"], each["local_rank"]), each)
        if first.keys() != {(node, worker) for node in nodes for worker in range(self.workers)}:
            return None
        ranks = sorted(each["rank"] for each in first.values())
        return max(float(each["at"]) for each in first.values()) if ranks == list(range(size)) else None

    def await_training(self, *nodes: str, since: float = 0.0, seconds: float = 180.0) -> float:
        """Wait until they train; returns when they did. Raises `TimeoutError`, with what all have said."""
        until = time.monotonic() + seconds
        while (at := self.training(*nodes, since=since)) is None:
            if time.monotonic() > until:
                raise TimeoutError(f"{', '.join(nodes)} did not train together within {seconds:g} s\n{self.report()}")
            time.sleep(_LOOK)
        return at

    def restarts(self) -> int:
        """Return the most restarts that any node has used up."""
        return max((int(each["torchelastic_restart_count"]) for each in self.records()), default=0)

    def end(self, *nodes: str, seconds: float = 180.0) -> list[int]:
        """Let all workers end well; returns the exit statuses of these nodes' agents."""
        self.over.touch()
        until = time.monotonic() + seconds
        try:
            return [self.agents[node].process.wait(max(0.1, until - time.monotonic())) for node in nodes]
        except subprocess.TimeoutExpired as error:
            raise TimeoutError(f"{', '.join(nodes)} did not end within {seconds:g} s\n{self.report()}") from error

    def report(self) -> str:
        """Return the end of what every node has said."""
        parts = [f"== {node}, {agent.process.poll()}\n{agent.said()[-3000:]}" for node, agent in self.agents.items()]
        return "\n".join([*parts, *(json.dumps(each) for each in self.records()[-20:])])

    def clear(self) -> None:
        """Kill whatever is left."""
        for agent in self.agents.values():
            agent.kill()
            agent.process.wait()
        workers = {each["pid"] for each in self.records()}
        for pid in workers:  # of an agent that was killed alone
            if _is_worker(pid):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)


def _is_worker(pid: int) -> bool:
    try:
        return WORKER.name.encode() in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


@contextlib.contextmanager
def job(
    folder: Path, torchrun: Sequence[str], environment: Mapping[str, str], workers: int = 2, worker: Sequence[str] = ()
) -> Iterator[Job]:
    """Yield a job without nodes; whatever it has started is killed afterwards."""
    made = Job(folder, torchrun, environment, workers, worker)
    try:
        yield made
    finally:
        made.clear()


def on_rdzv(store: str, endpoint: str, nodes: str, run_id: str = "job", **options: object) -> list[str]:
    """Return torchrun's options for a job on rdzv."""
    conf = ",".join(f"{name}={value}" for name, value in {"store": store, **options}.items())
    return _torchrun("rdzv", endpoint, nodes, run_id, conf)


def on_c10d(endpoint: str, nodes: str, run_id: str = "job", **options: object) -> list[str]:
    """Return torchrun's options for a job on torch's own rendezvous."""
    return _torchrun("c10d", endpoint, nodes, run_id, ",".join(f"{name}={value}" for name, value in options.items()))


def _torchrun(backend: str, endpoint: str, nodes: str, run_id: str, conf: str) -> list[str]:
    named = {"nnodes": nodes, "max-restarts": 9, "rdzv-backend": backend, "rdzv-endpoint": endpoint}
    return [f"--{name}={value}" for name, value in {**named, "rdzv-id": run_id, "rdzv-conf": conf}.items() if value]

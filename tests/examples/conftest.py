"""Programs as the recipes start them: with output that can be waited for, and gone after the test."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import click
import pytest

from rdzv_core._cli.group import command_line

ROOT = Path(__file__).resolve().parents[2]
DEADLINE = 120.0


class Program:
    """A process in a session of its own; `said` is what it and all below it have printed."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], output: Path, cwd: Path) -> None:
        self._output = output
        with output.open("wb") as file:
            self.process = subprocess.Popen(
                command,
                cwd=cwd,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                start_new_session=True,
            )

    def said(self) -> str:
        return self._output.read_text(errors="replace")

    def says(self, pattern: str) -> re.Match[str]:
        """Wait until it has printed what the pattern matches."""
        until = time.monotonic() + DEADLINE
        while True:
            ended = self.process.poll() is not None
            if found := re.search(pattern, self.said(), re.MULTILINE):
                return found
            assert not ended, f"it ended without saying {pattern!r}:\n{self.said()}"
            assert time.monotonic() < until, f"not within {DEADLINE:g} s {pattern!r}:\n{self.said()}"
            time.sleep(0.02)

    def ends(self) -> int:
        """Wait for its end, and return its exit status."""
        try:
            return self.process.wait(DEADLINE)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"it did not end within {DEADLINE:g} s:\n{self.said()}") from None

    def pids(self, of: int | None = None) -> list[int]:
        """Return the process and all below it; or a process below it, and all below that."""
        found = [of or self.process.pid]
        for pid in found:
            try:
                found += map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())
            except OSError:  # it has just ended
                continue
        return found

    def strike(self, number: int, of: int | None = None) -> None:
        """Send a signal to the process and all below it, or to one below it and all below that."""
        for pid in self.pids(of):
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                continue

    def close(self) -> None:
        self.strike(signal.SIGKILL)
        self.process.wait()


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """Return this process' environment, with `rdzv` on the PATH and nothing in it that describes a run."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("RDZV_")}
    (tmp_path / "tmp").mkdir()
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return {**kept, "PATH": path, "TMPDIR": str(tmp_path / "tmp")}


@pytest.fixture
def start(environment: dict[str, str], tmp_path: Path) -> Iterator[Callable[..., Program]]:
    """Yield what starts a program: `start(*command, VARIABLE=value…)`, in the root of the tree or in `cwd`."""
    started: list[Program] = []

    def begin(*command: str, cwd: Path = ROOT, **more: str) -> Program:
        started.append(Program(command, {**environment, **more}, tmp_path / f"{len(started)}.out", cwd))
        return started[-1]

    yield begin
    for each in started:
        each.close()


@pytest.fixture
def free_port() -> Callable[[], int]:
    """Return what returns a port of 127.0.0.1 that is free."""

    def find() -> int:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port: int = probe.getsockname()[1]
            return port

    return find


@pytest.fixture
def accepted(monkeypatch: pytest.MonkeyPatch) -> Callable[..., dict[str, Any]]:
    """Return what parses a command line of `rdzv` as `rdzv` does, and returns its parameters."""

    def parse(words: Sequence[str], environment: Mapping[str, str]) -> dict[str, Any]:
        rdzv, name, *arguments = words
        assert rdzv == "rdzv"
        with monkeypatch.context() as patch:
            for variable in [each for each in os.environ if each.startswith("RDZV_")]:
                patch.delenv(variable)
            for variable, value in environment.items():
                patch.setenv(variable, value)
            group = command_line()
            command = group.get_command(click.Context(group), name)
            assert command is not None, f"rdzv has no command {name!r}"
            return command.make_context(name, arguments).params

    return parse


@pytest.fixture
def pasted() -> Callable[[str], str]:
    """Return what returns the shell commands of an example's README, as somebody would paste them."""

    def blocks(example: str) -> str:
        readme = (ROOT / "examples" / example / "README.md").read_text("utf-8")
        found = re.findall(r"```sh\n(.*?)```", readme, re.DOTALL)
        assert found, f"examples/{example}/README.md has no ```sh"
        return "\n".join(found)

    return blocks

"""`rdzv` as process 1 of a container: it ends upon signals, and reaps the orphans that it inherits."""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cli.awaiting import until

Start = Callable[..., Any]

SOON = 10.0

pytestmark = pytest.mark.cases

NAMESPACE = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child"]


@pytest.fixture(autouse=True)
def namespaces() -> None:
    """Skip where this user may make none."""
    if not sys.platform.startswith("linux") or not shutil.which("unshare"):
        pytest.skip("needs Linux's unshare")
    if subprocess.run([*NAMESPACE, "true"], capture_output=True, check=False).returncode != 0:
        pytest.skip("needs the right to make process namespaces (root)")


class Contained:
    """A process that is number 1 of a namespace of its own, started by an `unshare` outside of it."""

    def __init__(self, *command: str) -> None:
        self.unshare = subprocess.Popen(
            [*NAMESPACE, *command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, stdin=subprocess.DEVNULL
        )

    @property
    def first(self) -> int:
        """Its process id as seen from here."""
        process = self.unshare.pid
        until(lambda: _children(process), "it has started")
        return _children(process)[0]

    def end(self, number: int) -> int:
        """Send it a signal; give its exit status."""
        subprocess.run(["kill", f"-{number}", str(self.first)], check=True)
        return self.unshare.wait(SOON)

    def close(self) -> None:
        self.unshare.kill()
        self.unshare.communicate()


@pytest.fixture
def contained() -> Iterator[Callable[..., Contained]]:
    """Start processes that are number 1."""
    started: list[Contained] = []

    def start(*arguments: str) -> Contained:
        started.append(Contained(sys.executable, "-m", "rdzv_core", *arguments))
        return started[-1]

    yield start
    for each in started:
        each.close()


def _says(each: Contained, text: str) -> str:
    assert each.unshare.stderr is not None
    for line in each.unshare.stderr:
        if text in line:
            return line
    raise AssertionError(f"it ended without saying {text!r}")


@pytest.fixture
def silent() -> Iterator[str]:
    """Return the endpoint of a server that accepts and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"127.0.0.1:{listener.getsockname()[1]}"


ENDING = [signal.SIGTERM, signal.SIGINT, signal.SIGHUP]


@pytest.mark.parametrize("number", ENDING)
def test_a_node_that_connects_ends_as_process_1(contained: Start, silent: str, number: int) -> None:
    """Without a handler the kernel would drop the signal, and `docker stop` take its ten seconds."""
    where = ["--backend", "tcp", "--endpoint", silent, "--option", "is_host=false", "--run-id", "job", "--nodes", "2"]
    each = contained("run", *where, "--option", "read_timeout=300", "--", "true")
    until(lambda: _children(each.first), "it has begun its work")
    time.sleep(0.5)  # it imports, or connects: whichever it is, it ends
    assert each.end(number) == 128 + number


@pytest.mark.parametrize("number", ENDING)
def test_a_node_that_meets_ends_as_process_1(contained: Start, tmp_path: Path, number: int) -> None:
    """As anywhere."""
    where = ["--backend", "file", "--endpoint", str(tmp_path / "store"), "--run-id", "job", "--nodes", "2"]
    each = contained("run", *where, "--", "true")
    _says(each, "asking for a round")
    assert each.end(number) == 128 + number


def test_a_node_that_works_passes_the_signal_on_as_process_1(contained: Start, tmp_path: Path) -> None:
    """The command's status is the node's; a signal that ends nothing reaches it too."""
    traps = f"trap 'exit 7' TERM; trap 'touch {tmp_path}/usr1' USR1; touch {tmp_path}/ready"
    where = ["--backend", "file", "--endpoint", str(tmp_path / "store"), "--run-id", "job", "--nodes", "1"]
    each = contained("run", *where, "--", "sh", "-c", f"{traps}; while :; do sleep 0.05; done")
    until((tmp_path / "ready").exists, "the command is ready for signals")
    subprocess.run(["kill", "-USR1", str(each.first)], check=True)
    until((tmp_path / "usr1").exists, "the command got SIGUSR1")
    assert each.end(signal.SIGTERM) == 7


def test_a_host_that_stays_for_the_others_ends_as_process_1(contained: Start, bare_node: Start, free_port: int) -> None:
    """With its command's status."""
    where = ["--backend", "tcp", "--endpoint", f"127.0.0.1:{free_port}", "--run-id", "job", "--nodes", "2"]
    host = contained("run", *where, "--option", "is_host=true", "--", "true")
    other = bare_node(*where, "--option", "is_host=false", "--", "sleep", "600")
    _says(host, "this node hosts the store")
    assert host.end(signal.SIGTERM) == 0
    other.process.kill()


@pytest.mark.parametrize("status", [0, 3, -9])
def test_the_commands_status_is_that_of_process_1(contained: Start, tmp_path: Path, status: int) -> None:
    """Reaping orphans takes no exit status that other code waits for."""
    end = f"exit {status}" if status >= 0 else "kill -KILL $$"
    orphans = "for i in 1 2 3 4 5 6 7 8; do (setsid sh -c 'exit 4' &); done; sleep 0.2"
    where = ["--backend", "file", "--endpoint", str(tmp_path / "store"), "--run-id", "job", "--nodes", "1"]
    each = contained("run", *where, "--", "sh", "-c", f"{orphans}; {end}")
    assert each.unshare.wait(60) == (status if status >= 0 else 128 - status)


def test_orphans_are_reaped_by_process_1(contained: Start, tmp_path: Path) -> None:
    """What a command leaves behind in a session of its own ends as nobody's zombie."""
    orphan = f"(setsid sh -c 'echo $$ >{tmp_path}/new; mv {tmp_path}/new {tmp_path}/orphan; exit 0' &)"
    gone = f"while [ ! -e {tmp_path}/orphan ] || [ -e /proc/$(cat {tmp_path}/orphan) ]; do sleep 0.05; done"
    where = ["--backend", "file", "--endpoint", str(tmp_path / "store"), "--run-id", "job", "--nodes", "1"]
    each = contained("run", *where, "--", "sh", "-c", f"{orphan}; {gone}")
    assert each.unshare.wait(60) == 0


def test_a_subreaper_reaps_orphans_too(tmp_path: Path) -> None:
    """So does a node that was told to, as by a supervisor; and a kill of it leaves nothing behind."""
    subreaper = "import ctypes, os, sys; ctypes.CDLL(None).prctl(36, 1); os.execv(sys.executable, sys.argv[1:])"
    where = ["--backend", "file", "--endpoint", str(tmp_path / "store"), "--run-id", "job", "--nodes", "1"]
    orphan = f"(setsid sh -c 'echo $PPID >{tmp_path}/before; sleep 0.3; echo $(ps -o ppid= $$) >{tmp_path}/after' &)"
    command = f"{orphan}; while [ ! -s {tmp_path}/after ]; do sleep 0.05; done; echo $$ >{tmp_path}/pid; sleep 600"
    run = [sys.executable, "-m", "rdzv_core", "run", *where, "--", "sh", "-c", command]
    node = subprocess.Popen([sys.executable, "-c", subreaper, *run])
    try:
        until(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text().strip(), "the orphan was adopted")
        assert int((tmp_path / "after").read_text()) == node.pid
    finally:
        node.kill()
        node.wait()
    leader = int((tmp_path / "pid").read_text())
    until(lambda: not Path(f"/proc/{leader}").exists(), "the command is gone with its node")


@pytest.mark.parametrize("number", ENDING)
def test_serve_ends_in_order_as_process_1(contained: Start, number: int) -> None:
    """With status 0, as anywhere."""
    server = contained("serve", "--endpoint", "127.0.0.1:0")
    assert server.unshare.stdout is not None
    assert server.unshare.stdout.readline().startswith("127.0.0.1:")
    assert server.end(number) == 0


@pytest.mark.parametrize(("command", "flags"), [("status", ["--watch"]), ("explain", [])])
def test_those_who_look_end_as_process_1(contained: Start, silent: str, command: str, flags: list[str]) -> None:
    """While a store does not answer them."""
    where = ["--backend", "tcp", "--endpoint", silent, "--run-id", "job", "--option", "connect_timeout=300"]
    each = contained(command, *flags, *where)
    until(lambda: _children(each.first), "it has begun its work")
    assert each.end(signal.SIGTERM) == 143


def _children(process: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{process}/task/{process}/children").read_text().split()]

"""What `rdzv run` says and does where the system sets limits: descriptors, processes, permissions, archives."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import rdzv_core
from rdzv_core._cli.node.worker import Worker

Start = Callable[..., Any]

SOMEBODY = 54_321
"""A user id that nobody has."""

RUN = [sys.executable, "-m", "rdzv_core", "run", "--run-id", "job", "--nodes", "1"]


@pytest.fixture
def many_descriptors() -> Iterator[None]:
    """Have 1,100 descriptors open, as a node has that hosts the store of a thousand others."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 2000:
        pytest.skip(f"the system lets a process have {hard} descriptors only")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 2000), hard))
    opened = [os.open(os.devnull, os.O_RDONLY) for _ in range(1100)]
    yield
    for descriptor in opened:
        os.close(descriptor)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_node_with_more_than_1024_descriptors_runs_its_command(many_descriptors: None, tmp_path: Path) -> None:
    """`select` could not take them."""
    worker = Worker(["sh", "-c", f"while [ ! -e {tmp_path}/go ]; do sleep 0.05; done; exit 5"], {})
    assert not worker.has_ended()
    (tmp_path / "go").touch()
    assert worker.wait() == 5
    assert worker.has_ended()


def test_no_select_is_called_anywhere() -> None:
    """It fails for descriptors over 1,023; `poll`, `selectors` and asyncio do not."""
    root = Path(rdzv_core.__file__).parent.parent
    sources = [file for folder in ("rdzv_core", "plugins", "conformance") for file in (root / folder).rglob("*.py")]
    assert sources
    call = "select." + "select("
    assert [file for file in sources if call in file.read_text()] == []


def test_a_node_that_was_imported_from_an_archive_runs_its_command(tmp_path: Path) -> None:
    """The watchdog is started from its text where it has no file; the command's status is the node's."""
    archive = tmp_path / "app.zip"
    package = Path(rdzv_core.__file__).parent
    with zipfile.ZipFile(archive, "w") as packed:
        for file in package.rglob("*.py"):
            packed.write(file, Path("rdzv_core") / file.relative_to(package))
    code = (
        "from rdzv_core._cli.node import worker; assert '.zip' in worker.__file__, worker.__file__\n"
        "import os; raise SystemExit(worker.Worker(['sh', '-c', 'exit 7'], {}).wait())"
    )
    environment = {**os.environ, "PYTHONPATH": str(archive)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, cwd=tmp_path, check=False, timeout=60)
    assert done.returncode == 7


@pytest.fixture
def few_processes(request: pytest.FixtureRequest) -> Iterator[Callable[[int], list[str]]]:
    """Return what starts a program with at most so many processes and threads."""
    old, new = Path("/sys/fs/cgroup/pids"), Path("/sys/fs/cgroup")
    group = (old if old.is_dir() else new) / f"rdzv-test-{os.getpid()}"
    try:
        group.mkdir()
        (group / "pids.max").write_text("max")
    except OSError as error:
        if group.is_dir():
            group.rmdir()
        pytest.skip(f"needs a writable cgroup with the controller `pids` (root): {error}")

    def limited(most: int) -> list[str]:
        (group / "pids.max").write_text(str(most))
        return ["sh", "-c", f'echo $$ >{group}/cgroup.procs && exec "$@"', "sh"]

    yield limited
    deadline = time.monotonic() + 20
    while (group / "cgroup.procs").read_text():
        assert time.monotonic() < deadline, "processes are left"
        time.sleep(0.05)
    group.rmdir()


@pytest.mark.cases
@pytest.mark.parametrize("backend", ["tcp", "file"])
def test_a_limit_on_processes_is_told_as_one(
    few_processes: Callable[[int], list[str]], backend: str, free_port: int, tmp_path: Path
) -> None:
    """Wherever it strikes: no bug, no traceback, but which limit to raise; with enough, the command runs."""
    endpoint = f"127.0.0.1:{free_port}" if backend == "tcp" else str(tmp_path / "store")
    where = ["--backend", backend, "--endpoint", endpoint, "--option", "join_timeout=3"]
    ends = []
    for most in range(2, 40):
        done = subprocess.run(
            [*few_processes(most), *RUN, *where, "--", "sh", "-c", "exit 5"],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        ends.append(done.returncode)
        if done.returncode == 5:
            break
        assert done.returncode == 1, done.stderr
        assert "ulimit -u" in done.stderr, done.stderr
        assert "bug in rdzv" not in done.stderr
        assert "Traceback" not in done.stderr
    assert len(ends) > 3
    assert ends[-1] == 5, "enough for a node"


@pytest.fixture
def as_somebody() -> list[str]:
    """Return what starts a program as a user who has no right but to read everything."""
    reads = ("--inh-caps", "+dac_read_search", "--ambient-caps", "+dac_read_search")
    become = ["setpriv", "--reuid", str(SOMEBODY), "--clear-groups", *reads]
    if shutil.which("setpriv") is None or os.geteuid() != 0:
        pytest.skip("needs setpriv and root, to become another user")
    tried = subprocess.run([*become, sys.executable, "-c", "import rdzv_core._cli"], check=False, capture_output=True)
    if tried.returncode != 0:
        pytest.skip(f"needs the right to become another user who reads everything: {tried.stderr.decode()}")
    return become


@pytest.mark.cases
def test_a_limit_of_a_users_processes_is_told_as_one(as_somebody: list[str]) -> None:
    """RLIMIT_NPROC, which binds everybody but root."""
    limit = "import os, resource, sys; resource.setrlimit(resource.RLIMIT_NPROC, (4, 4))"
    limited = [*as_somebody, sys.executable, "-c", f"{limit}; os.execv(sys.argv[1], sys.argv[1:])"]
    done = subprocess.run(
        [*limited, *RUN, "--backend", "memory", "--endpoint", "here", "--", "true"],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 1
    assert "raise the limit that is reached (ulimit -u" in done.stderr
    assert "bug in rdzv" not in done.stderr


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """Return a folder that every user can enter, on a file system where set-user-ID counts."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o777)
    yield folder
    shutil.rmtree(folder)


@pytest.mark.cases
def test_a_command_that_cannot_be_signalled_is_told_so(as_somebody: list[str], open_folder: Path) -> None:
    """`sudo` and its like: the node says so, waits for the end, and takes nothing for stopped that goes on."""
    found = shutil.which("setpriv")
    assert found is not None
    if os.statvfs(open_folder).f_flag & os.ST_NOSUID:
        pytest.skip("needs a folder for temporary files on a file system without nosuid")
    raised = open_folder / "setpriv"
    shutil.copy(found, raised)
    raised.chmod(0o4755)
    ready = f"touch {open_folder}/ready; while [ ! -e {open_folder}/go ]; do sleep 0.05; done"
    command = [str(raised), "--ruid", "0", "--clear-groups", "sh", "-c", ready]
    where = ["--backend", "memory", "--endpoint", "here", "--option", "fence_delay=0.2"]
    node = subprocess.Popen([*as_somebody, *RUN, *where, "--", *command], stderr=subprocess.PIPE, text=True)
    try:
        deadline = time.monotonic() + 60
        while not (open_folder / "ready").exists():
            assert node.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.01)
        node.send_signal(signal.SIGTERM)
        assert node.stderr is not None
        line = next(line for line in node.stderr if "cannot be signalled" in line)
        assert "runs as another user" in line
        time.sleep(1)  # longer than the grace period: it is not killed, and the node does not believe that it was
        assert node.poll() is None
        (open_folder / "go").touch()
        assert node.wait(20) == 0
        assert "cannot be signalled" not in node.stderr.read(), "it is said once"
    finally:
        (open_folder / "go").touch()
        node.kill()
        node.communicate()

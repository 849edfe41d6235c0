"""On file systems of a test's own: a small one that fills, a file that is a mount, a directory at two FUSE mounts."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from rdzv_file._check import check_path

pytestmark = pytest.mark.cases

BOUND = """
import os, sys
from rdzv_core import RendezvousConfigurationError, RendezvousParameters, create_backend
from rdzv_file._check import check_path
path = sys.argv[1]
backend = create_backend(RendezvousParameters("file", path, "run", 1, 2))
try:
    backend.set_state(b"x")
except RendezvousConfigurationError as error:
    print(error)
print(*(finding.detail for finding in check_path([path]) if not finding.passed))
assert sorted(os.listdir(os.path.dirname(path))) == ["outside", "store", "store.lock"]
"""

FILL = """
import errno, os, sys
from rdzv_core import RendezvousConfigurationError, RendezvousConnectionError, RendezvousParameters, create_backend
there, endpoint = sys.argv[1:]
backend = create_backend(RendezvousParameters("file", endpoint, "run", 1, 2))
_, token, _ = backend.set_state(b"x")
with open(f"{there}/ballast", "wb", buffering=0) as ballast:
    try:
        while True:
            ballast.write(bytes(4096))
    except OSError as error:
        assert error.errno == errno.ENOSPC
for size in (1, 100_000):
    try:
        backend.set_state(b"y" * size, token)
    except RendezvousConnectionError as error:
        assert not isinstance(error, RendezvousConfigurationError)
        assert "No space left on device; free some space" in str(error) and endpoint in str(error), error
    else:
        raise AssertionError("a full disk took a write")
    assert backend.get_state() == (b"x", token)
try:
    create_backend(RendezvousParameters("file", f"{there}/another", "run", 1, 2))
except RendezvousConnectionError as error:
    assert "No space left on device" in str(error)
os.unlink(f"{there}/ballast")
assert backend.set_state(b"z", token).has_set
assert create_backend(RendezvousParameters("file", endpoint, "run", 1, 2)).get_state()[0] == b"z"
left = [name for _, _, names in os.walk(there) for name in names if name.endswith(".tmp")]
assert not left, left
print("done")
"""

COUNT = """
import sys
from rdzv_core import RendezvousError, RendezvousParameters, create_backend
backend = create_backend(RendezvousParameters("file", sys.argv[1], "run", 1, 2))
print("ready", flush=True)
sys.stdin.readline()
won = raised = 0
for _ in range(100):
    try:
        state, token = backend.get_state() or (b"0", None)
        result = backend.set_state(b"%d" % (int(state) + 1), token)
        won += result is not None and result.has_set  # FUSE may show no file for a moment
    except RendezvousError:
        raised += 1
print(won, raised)
"""


def _in_a_mount_namespace(prepare: str, program: str, *arguments: str) -> str:
    """Run a program where `prepare` has mounted what only it sees; returns what it printed."""
    if shutil.which("unshare") is None or subprocess.run(["unshare", "-m", "true"], check=False).returncode:
        pytest.skip("needs a mount namespace: root, and the command unshare")
    command = ["unshare", "-m", "sh", "-ec", f'{prepare}\nexec "$@"', "sh", sys.executable, "-c", program, *arguments]
    result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_a_file_that_is_a_mount_of_its_own_is_refused_at_the_first_write_with_the_way_out(tmp_path):
    """`docker -v file:file`: it cannot be replaced. The check says so before."""
    for name in ("outside", "store"):
        (tmp_path / name).touch()
    store = tmp_path / "store"
    output = _in_a_mount_namespace(f"mount --bind '{tmp_path}/outside' '{store}'", BOUND, str(store))
    assert "is a mount of its own (docker -v FILE:FILE) and cannot be replaced: mount its directory instead" in output
    assert "it is a mount of its own and cannot be replaced: mount its directory" in output.splitlines()[-1]


@pytest.mark.parametrize("kind", ["store", "store/"])
def test_a_disk_that_fills_is_told_and_works_again_when_there_is_space(tmp_path, kind):
    """No space left: the old state is whole, the error passes, nothing half written stays, and the instance goes on."""
    mounting = f"mount -t tmpfs -o size=256k tmpfs '{tmp_path}'"
    assert _in_a_mount_namespace(mounting, FILL, str(tmp_path), f"{tmp_path}/{kind}") == "done\n"


@pytest.fixture
def two_mounts(tmp_path: Path) -> Iterator[tuple[Path, Path]]:
    """One directory at two FUSE mounts, which share no flock."""
    if shutil.which("bindfs") is None or not os.access("/dev/fuse", os.W_OK):
        pytest.skip("needs /dev/fuse and the command bindfs")
    (tmp_path / "real").mkdir()
    mounts = (tmp_path / "one", tmp_path / "other")
    mounted: list[Path] = []
    try:
        for mount in mounts:
            mount.mkdir()
            made = subprocess.run(["bindfs", str(tmp_path / "real"), str(mount)], capture_output=True, check=False)
            if made.returncode:
                pytest.skip(f"bindfs cannot mount here: {made.stderr!r}")
            mounted.append(mount)
        yield mounts
    finally:
        for mount in mounted:
            subprocess.run(["umount", "-l", str(mount)], check=False)


@pytest.mark.parametrize("kind", ["store", "store/"])
def test_writers_at_two_mounts_that_share_no_lock_are_told(two_mounts, open_backend, start, kind):
    """Four processes, two at each mount: each finds another's record in the lock file."""
    open_backend(f"{two_mounts[0]}/{kind}").set_state(b"0")
    processes = [start(COUNT, f"{mount}/{kind}") for mount in two_mounts * 2]
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    told = [process.communicate(timeout=120)[0].split() for process in processes]
    assert [len(each) for each in told] == [2] * 4
    assert all(int(raised) > 0 for _, raised in told)


def test_the_check_finds_that_two_mounts_share_no_lock(two_mounts):
    """`rdzv backends file --check A --check B`."""
    found = {finding.subject: finding for finding in check_path([str(mount) for mount in two_mounts])}
    assert found["all names are one directory"].passed
    assert "held the lock at once" in found["flock excludes"].detail

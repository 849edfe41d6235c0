"""What a data directory may be: one that is empty, or that a server of ours made; and a disk that fills."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from rdzv_tcp import TcpBackend
from rdzv_tcp._wal import log as log_module
from rdzv_tcp._wal.log import Log, UnusableDirectoryError

from rdzv_core import RendezvousConfigurationError

Open = Callable[..., TcpBackend]

FILL = """
import os, sys
from rdzv_core import RendezvousConfigurationError, RendezvousConnectionError, RendezvousParameters, create_backend
there = sys.argv[1]
config = {"is_host": True, "data_dir": f"{there}/data"}
backend = create_backend(RendezvousParameters("tcp", "127.0.0.1:0", "run", 1, 2, **config))
_, token, _ = backend.set_state(b"x")
lease = backend.enter(b"me", 10.0)
with open(f"{there}/ballast", "wb", buffering=0) as ballast:
    try:
        while True:
            ballast.write(bytes(4096))
    except OSError:
        pass
for write in (lambda: backend.set_state(bytes(100_000), token), lambda: backend.store("r").set("k", bytes(100_000))):
    try:
        write()
    except RendezvousConnectionError as error:
        assert not isinstance(error, RendezvousConfigurationError)
        assert "registers.log: No space left on device (free some space" in str(error), error
    else:
        raise AssertionError("a full disk took a write")
assert backend.get_state() == (b"x", token)
assert backend.refresh(lease)
try:
    create_backend(RendezvousParameters("tcp", "127.0.0.1:0", "run", 1, 2, is_host=True, data_dir=f"{there}/more"))
except RendezvousConnectionError as error:
    assert not isinstance(error, RendezvousConfigurationError)
    assert "No space left on device (free some space" in str(error), error
os.unlink(f"{there}/ballast")
assert backend.set_state(bytes(100_000), token).has_set
backend.close()
print("done")
"""


def _names(directory: Path) -> set[str]:
    return {each.name for each in directory.iterdir()}


def test_a_directory_of_somebody_else_is_refused_and_nothing_is_written_there(tmp_path: Path) -> None:
    """`rdzv serve --data-dir /etc`: the error names what is there, and what to give."""
    for name in ("passwd", "hosts", "shadow", "fstab", "group"):
        (tmp_path / name).touch()
    before = _names(tmp_path)
    command = [sys.executable, "-m", "rdzv_core", "serve", "--endpoint", "127.0.0.1:0", "--data-dir", str(tmp_path)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode != 0
    assert "that are not an rdzv server's: 'fstab', 'group', 'hosts' and 2 more; give one that is empty" in ended.stderr
    assert f"{tmp_path}/rdzv" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert _names(tmp_path) == before


@pytest.mark.parametrize("is_host", [True, None])
def test_a_node_that_would_host_is_told_that_waiting_does_not_help(
    open_backend: Open, tmp_path: Path, free_port: int, is_host: bool | None
) -> None:
    """`data_dir` of a backend is looked at as that of a server is."""
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(RendezvousConfigurationError, match=r"data_dir=.*'thesis\.tex'; give one that is empty"):
        open_backend(f"127.0.0.1:{free_port}", is_host=is_host, data_dir=str(tmp_path), connect_timeout=60)
    assert _names(tmp_path) == {"thesis.tex"}


@pytest.mark.parametrize("there", [[], ["lost+found"], ["lock"], ["registers.new", "lock"]])
def test_a_directory_with_nothing_but_what_a_server_or_a_file_system_leaves_is_taken(
    tmp_path: Path, there: list[str]
) -> None:
    """A fresh disk, or a server that was killed before its first log stood."""
    for name in there:
        (tmp_path / name).touch()
    Log(tmp_path).close()


def test_a_directory_that_a_server_made_is_taken_whatever_else_was_put_there(tmp_path: Path) -> None:
    """An operator's copy of the log beside it does not keep the server from starting."""
    Log(tmp_path).close()
    shutil.copy(tmp_path / "registers.log", tmp_path / "registers.log.saved")
    Log(tmp_path).close()


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.EACCES])
def test_a_directory_that_cannot_be_written_says_whether_that_passes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """A full or broken disk may pass; a missing permission does not."""

    def fail(*_: object) -> int:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(log_module, "_write_all", fail)
    with pytest.raises(UnusableDirectoryError, match=os.strerror(number)) as caught:
        Log(tmp_path / "data")
    assert caught.value.may_pass == (number != errno.EACCES)


@pytest.mark.cases
def test_a_disk_that_fills_is_told_to_the_client_and_works_again_when_there_is_space(tmp_path: Path) -> None:
    """The state is the one before, reads and leases go on, and the error names file, reason and way out."""
    if shutil.which("unshare") is None or subprocess.run(["unshare", "-m", "true"], check=False).returncode:
        pytest.skip("needs a mount namespace: root, and the command unshare")
    mounting = f"mount -t tmpfs -o size=256k tmpfs '{tmp_path}'"
    command = ["unshare", "-m", "sh", "-ec", f'{mounting}\nexec "$@"', "sh", sys.executable, "-c", FILL, str(tmp_path)]
    result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert (result.returncode, result.stdout) == (0, "done\n"), result.stderr

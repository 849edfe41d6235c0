"""A write that the file system refuses leaves the old state whole."""

from __future__ import annotations

import errno
import os
import time
from pathlib import Path

import pytest
from rdzv_file import _kept

from rdzv_core import RendezvousConfigurationError, RendezvousConnectionError

WRITE_TOO_MUCH = """
import resource, sys
from pathlib import Path
from rdzv_core import RendezvousConnectionError, RendezvousParameters, create_backend
backend = create_backend(RendezvousParameters("file", sys.argv[1], "run", 1, 2))
_, token, _ = backend.set_state(b"old" * 1000)
resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
try:
    backend.set_state(b"new" * 100_000, token)
except RendezvousConnectionError as error:
    print(error)
assert backend.get_state() == (b"old" * 1000, token)
assert backend.set_state(b"small", token).has_set
"""


def test_a_write_over_the_file_size_limit_leaves_the_old_state_whole(endpoint, open_backend, start):
    """With `ulimit -f`, a state cut off half way is an error that says so; nothing of it stays, smaller ones work."""
    process = start(WRITE_TOO_MUCH, endpoint)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert "ulimit -f" in output
    assert f"file backend at {endpoint!r}: cannot write" in output
    assert open_backend(endpoint).get_state()[0] == b"small"
    there = Path(endpoint) if endpoint.endswith("/") else Path(endpoint).parent
    assert list(there.glob("*.tmp")) == []


@pytest.mark.parametrize("call", ["write", "fsync", "replace", "open"])
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EIO])
def test_an_error_at_any_step_of_a_write_leaves_the_old_state_whole(endpoint, open_backend, monkeypatch, call, number):
    """Full disk, read-only file system, broken disk, at any system call: a RendezvousConnectionError with the path."""
    backend = open_backend(endpoint)
    _, token, _ = backend.set_state(b"x")
    real_open = os.open

    def fail(path, flags=0, *rest):
        if call == "open" and not flags & os.O_EXCL:
            return real_open(path, flags, *rest)
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patch:
        patch.setattr(os, call, fail)
        with pytest.raises(RendezvousConnectionError, match=os.strerror(number)) as caught:
            backend.set_state(b"y", token)
    assert endpoint in str(caught.value)
    assert isinstance(caught.value.__cause__, OSError)
    assert list(Path(endpoint).parent.rglob("*.tmp")) == []
    assert backend.get_state() == (b"x", token)
    assert backend.set_state(b"z", token).has_set


def test_a_file_system_without_locks_is_an_error_that_says_so(endpoint, open_backend, monkeypatch):
    """Nothing is ever written without a lock."""
    import fcntl

    backend = open_backend(endpoint)

    def no_locks(fd, operation):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    with monkeypatch.context() as patch:
        patch.setattr(fcntl, "flock", no_locks)
        with pytest.raises(RendezvousConnectionError, match="no working locks"):
            backend.set_state(b"x")
    assert backend.get_state() is None


def test_a_disk_that_cannot_be_read_is_told_at_once(endpoint, open_backend, monkeypatch):
    """Only what may pass by itself is tried again: a broken disk is an error now, not after read_timeout."""
    open_backend(endpoint).set_state(b"x")
    backend = open_backend(endpoint)

    def broken(path, flags, *rest):
        raise OSError(errno.EIO, os.strerror(errno.EIO), path)

    began = time.monotonic()
    with monkeypatch.context() as patch:
        patch.setattr(os, "open", broken)
        with pytest.raises(RendezvousConnectionError, match=f"cannot read .*{os.strerror(errno.EIO)}"):
            backend.get_state()
    assert time.monotonic() - began < 60


def test_a_read_that_finds_its_file_replaced_over_nfs_is_tried_again(endpoint, open_backend, monkeypatch):
    """ESTALE, a network file system's word for "this file was just replaced", is not the caller's trouble; for ever
    stale it is a lost connection after read_timeout."""
    backend = open_backend(endpoint, read_timeout=1)
    backend.set_state(b"x")
    monkeypatch.setattr(_kept, "is_local", lambda path, device: False)
    real_open, left = os.open, [3]

    def stale(path, flags, *rest):
        if left[0]:
            left[0] -= 1
            raise OSError(errno.ESTALE, os.strerror(errno.ESTALE))
        return real_open(path, flags, *rest)

    with monkeypatch.context() as patch:
        patch.setattr(os, "open", stale)
        assert backend.get_state()[0] == b"x"
        left[0] = -1
        with pytest.raises(RendezvousConnectionError, match=os.strerror(errno.ESTALE)):
            backend.get_state()


@pytest.mark.parametrize(
    ("number", "lasts"),
    [
        *((number, False) for number in (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.ESTALE)),
        *((number, False) for number in (errno.ENOENT, errno.EMFILE, errno.ENOLCK, errno.ETIMEDOUT)),
        *((number, True) for number in (errno.EACCES, errno.EPERM, errno.ENOTDIR, errno.ENAMETOOLONG, errno.EBUSY)),
    ],
    ids=lambda value: errno.errorcode[value] if value not in (True, False) else "",
)
def test_an_error_says_whether_waiting_can_fix_it(endpoint, open_backend, monkeypatch, number, lasts):
    """A full disk and a server that is down pass, and are tried again; a missing permission and a bad path do not."""
    backend = open_backend(endpoint)

    def fail(path, flags=0, *rest):
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", fail)
        with pytest.raises(RendezvousConnectionError, match=os.strerror(number)) as caught:
            backend.set_state(b"x")
    assert isinstance(caught.value, RendezvousConfigurationError) == lasts
    assert backend.set_state(b"x").has_set


def test_a_parent_directory_that_comes_late_is_waited_for_and_a_bad_path_is_not(tmp_path, open_backend):
    """The mount that brings it may come a moment later; a file in the place of a directory stays one."""
    with pytest.raises(RendezvousConnectionError, match="mount the file system") as caught:
        open_backend(f"{tmp_path}/late/store")
    assert not isinstance(caught.value, RendezvousConfigurationError)
    (tmp_path / "late").mkdir()
    assert open_backend(f"{tmp_path}/late/store").set_state(b"x").has_set
    for path in ("late/store/deeper", "x" * 300, "a\0b"):
        with pytest.raises(RendezvousConfigurationError):
            open_backend(f"{tmp_path}/{path}")


@pytest.mark.parametrize("endpoint", ["/", "/etc", "/etc/", "/proc", "/usr/../etc"])
def test_a_directory_of_the_system_is_refused(endpoint, open_backend):
    """A path given by mistake: nothing is written there."""
    with pytest.raises(RendezvousConfigurationError, match="belongs to the operating system: name a directory of"):
        open_backend(endpoint)


def test_a_directory_with_other_files_is_shared_with_them(tmp_path, open_backend):
    """A job's output directory will do: all names made there begin with `rdzv.` or `.rdzv-`, no other is touched."""
    (tmp_path / "model.bin").write_bytes(b"weights")
    backend = open_backend(str(tmp_path))
    assert backend.set_state(b"x").has_set
    assert backend.delete_state()
    assert (tmp_path / "model.bin").read_bytes() == b"weights"
    assert all(each.name.startswith((".rdzv-", "rdzv.", "model.bin")) for each in tmp_path.iterdir())

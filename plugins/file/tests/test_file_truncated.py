"""A store that was truncated is told from one that was never written."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from rdzv_file import FileStore

from rdzv_core import RendezvousStateError

WRITE_ONCE = """
import os, sys
from rdzv_core import RendezvousParameters, create_backend
backend = create_backend(RendezvousParameters("file", sys.argv[1], "run", 1, 2))
if sys.argv[2] == "killed before the rename":
    os.replace = lambda *_: os.kill(os.getpid(), 9)
elif sys.argv[2] == "killed after the rename":
    replace = os.replace
    os.replace = lambda *paths: (replace(*paths), os.kill(os.getpid(), 9))
backend.set_state(b"x")
"""


def _file_of(endpoint: str) -> Path:
    there = Path(endpoint)
    return there if there.is_file() else next(each for each in there.iterdir() if each.name.startswith("rdzv."))


@pytest.mark.parametrize("length", [0, 1, 20, -1])
def test_a_file_that_was_truncated_is_a_state_error_for_those_who_know_it_and_for_those_who_come(
    endpoint, open_backend, length
):
    """RDZV-STATE-6: to 0 bytes as to any other length; nothing is written, with a token or without."""
    backend = open_backend(endpoint)
    _, token, _ = backend.set_state(b"x")
    file = _file_of(endpoint)
    content = file.read_bytes()
    os.truncate(file, length % len(content))
    spoiled = file.read_bytes()
    for call in (backend.get_state, lambda: backend.set_state(b"y"), lambda: backend.set_state(b"y", token)):
        with pytest.raises(RendezvousStateError):
            call()
    for other in (open_backend(endpoint), open_backend(endpoint)):
        with pytest.raises(RendezvousStateError):
            other.set_state(b"y")
        with pytest.raises(RendezvousStateError):
            other.wait_state(None, 0)
    assert file.read_bytes() == spoiled


def test_the_error_says_that_the_file_was_truncated_and_reset_clears_it(tmp_path, open_backend):
    """`rdzv reset` deletes the run's state; the store can be used again, by the other runs too."""
    path = tmp_path / "store"
    backend = open_backend(str(path))
    backend.set_state(b"x")
    os.truncate(path, 0)
    with pytest.raises(RendezvousStateError, match=r"has 0 bytes and was written before, as .*store\.lock.*rdzv reset"):
        backend.get_state()
    assert backend.delete_state()
    assert backend.get_state() is None
    assert backend.set_state(b"y").has_set
    os.truncate(path, 0)
    with pytest.raises(RendezvousStateError, match="truncated"):
        backend.get_state()


def test_an_empty_file_that_was_never_written_is_a_new_store(tmp_path, open_backend):
    """As `mktemp` or `touch` makes one; several nodes may look before the first writes."""
    path = tmp_path / "store"
    path.touch()
    one, other = open_backend(str(path)), open_backend(str(path))
    assert (one.get_state(), other.get_state()) == (None, None)
    assert other.delete_state() is False
    assert one.set_state(b"x").has_set
    assert other.get_state()[0] == b"x"


def test_a_store_that_is_created_can_be_truncated_before_the_first_write(tmp_path, open_backend):
    """A file created here never has 0 bytes, even if its creator is killed."""
    path = tmp_path / "store"
    backend = open_backend(str(path))
    assert path.stat().st_size > 0
    os.truncate(path, 0)
    with pytest.raises(RendezvousStateError, match="truncated"):
        backend.set_state(b"x")


@pytest.mark.parametrize("way", ["killed before the rename", "killed after the rename"])
def test_a_first_writer_that_is_killed_leaves_a_store_that_works(tmp_path, open_backend, start, way):
    """An empty file given at first is not taken for a truncated one, because of the record that the dead one left."""
    path = tmp_path / "store"
    path.touch()
    assert start(WRITE_ONCE, str(path), way).wait(30) == -9
    backend = open_backend(str(path))
    seen = backend.get_state()
    assert (seen is None) == (way == "killed before the rename")
    assert backend.set_state(b"y", seen and seen.token).has_set
    os.truncate(path, 0)
    with pytest.raises(RendezvousStateError, match="truncated"):
        open_backend(str(path)).get_state()


def test_a_store_that_was_deleted_may_be_created_again_beside_its_old_lock_file(tmp_path, open_backend):
    """`rm job` between two jobs, which leaves `job.lock`, is a clean slate."""
    path = tmp_path / "store"
    open_backend(str(path)).set_state(b"x")
    path.unlink()
    assert (tmp_path / "store.lock").exists()
    backend = open_backend(str(path))
    assert backend.get_state() is None
    assert backend.set_state(b"y").has_set


def test_a_truncated_lock_file_loses_nothing(endpoint, open_backend):
    """The mark is written again with the next write; a lock works whatever its file holds."""
    backend = open_backend(endpoint)
    _, token, _ = backend.set_state(b"x")
    for lock in Path(endpoint).parent.rglob("*lock*"):
        os.truncate(lock, 0)
    assert backend.get_state() == (b"x", token)
    assert backend.set_state(b"y", token).has_set
    os.truncate(_file_of(endpoint), 0)
    with pytest.raises(RendezvousStateError):
        backend.get_state()


def test_an_empty_value_of_the_raw_store_is_a_value(endpoint):
    """What must not be empty is the file of all values, not a value."""
    store = FileStore(endpoint)
    store.set("key", b"")
    assert FileStore(endpoint).get("key") == b""

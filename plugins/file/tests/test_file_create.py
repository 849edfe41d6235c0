"""From parameters to a file backend: endpoints, options, errors."""

from __future__ import annotations

import gc
import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from rdzv_file import FileBackend, FileStore

from rdzv_core import (
    RendezvousConnectionError,
    RendezvousError,
    RendezvousParameters,
    RendezvousStateError,
    create_backend,
)


@contextmanager
def _without_privileges() -> Iterator[None]:
    """The superuser may do everything: another user has to try."""
    was = os.geteuid()
    if was == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(was)


def _mode(path: str | Path) -> int:
    return stat.S_IMODE(Path(path).stat().st_mode)


def test_B1_the_backend_is_chosen_by_name_or_by_the_alias_with_a_store_type(tmp_path, open_backend):
    """B1: "file", and "c10d" with store_type in any case, give a file backend."""
    for given in ({"backend": "file"}, {"backend": "c10d", "store_type": "fIlE"}):
        backend = open_backend(str(tmp_path / "store"), **given)
        assert isinstance(backend, FileBackend)
        assert backend.name == "file"


def test_B2_the_raw_store_knows_its_path_and_shows_the_value(endpoint, open_backend):
    """B2: the store knows its path; what set_state wrote can be seen through it, and in the file itself."""
    backend = open_backend(endpoint)
    backend.set_state(b'{"round": 7}')
    assert backend.raw_store.path == endpoint
    raw = FileStore(endpoint).get(RendezvousParameters("file", endpoint, "run", 1, 2).key)
    assert raw is not None
    assert raw.endswith(b'\n{"round": 7}')
    files = [Path(endpoint)] if Path(endpoint).is_file() else list(Path(endpoint).iterdir())
    assert any(b'{"round": 7}' in file.read_bytes() for file in files)


def test_B3_the_read_timeout_is_as_given_or_300_seconds(tmp_path, open_backend):
    """B3: read_timeout="10" is 10 s; not given, it is 300 s."""
    assert open_backend(str(tmp_path / "a")).raw_store.timeout == 300
    assert open_backend(str(tmp_path / "a"), read_timeout="10").raw_store.timeout == 10


def test_B8_an_empty_endpoint_is_a_fresh_temp_file_for_this_user_alone(open_backend):
    """B8: each gets a file of its own under the system's temp directory, mode 0600, also after a write."""
    one, other = open_backend(""), open_backend("")
    assert one.raw_store.path != other.raw_store.path
    for backend in (one, other):
        assert Path(backend.raw_store.path).parent == Path(tempfile.gettempdir())
        assert _mode(backend.raw_store.path) == 0o600
    one.set_state(b"x")
    assert _mode(one.raw_store.path) == 0o600
    assert other.get_state() is None


def test_a_temp_file_goes_with_the_last_of_its_backend_and_siblings(open_backend):
    """The temp file, and its lock file, outlive the backend while a sibling is open, and no longer."""
    backend = open_backend("")
    path = Path(backend.raw_store.path)
    sibling = backend.sibling("members")
    backend.close()
    sibling.set_state(b"x")
    assert path.exists()
    sibling.close()
    assert list(path.parent.glob(f"{path.name}*")) == []


def test_a_temp_file_goes_when_its_backend_was_forgotten_without_closing():
    """A program that drops its backend leaves no temp file behind."""
    backend = create_backend(RendezvousParameters("file", "", "run", 1, 2))
    path = Path(backend.raw_store.path)
    assert path.exists()
    del backend
    gc.collect()
    assert not path.exists()


def test_a_forked_child_leaves_the_temp_file_alone(start):
    """The child's end does not take the parent's file away; the parent's end does."""
    program = """
import os
from rdzv_core import RendezvousParameters, create_backend
backend = create_backend(RendezvousParameters("file", "", "run", 1, 2))
backend.set_state(b"x")
child = os.fork()
if child == 0:
    raise SystemExit(0 if backend.get_state() else 1)
assert os.waitpid(child, 0)[1] == 0
assert backend.get_state()[0] == b"x"
print(backend.raw_store.path)
"""
    process = start(program)
    path, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert not Path(path.strip()).exists()


@pytest.mark.parametrize("value", ["0", "-10", 0])
@pytest.mark.parametrize("option", ["read_timeout", "lock_timeout"])
def test_B12_a_timeout_that_is_not_positive_is_refused_before_anything_is_created(
    tmp_path, open_backend, option, value
):
    """B12: read_timeout "0" or "-10" is a ValueError, "must be a positive integer"."""
    what = "must be a positive integer" if option == "read_timeout" else "must be a positive number"
    with pytest.raises(ValueError, match=f"{option}={value!r} {what}"):
        open_backend(str(tmp_path / "store"), **{option: value})
    assert list(tmp_path.iterdir()) == []


def test_B13_a_temp_file_that_cannot_be_made_is_a_rendezvous_error(monkeypatch, open_backend, tmp_path):
    """B13: without a usable temp directory the error says so, with its cause chained."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "missing"))
    with pytest.raises(RendezvousError, match=r"no temp file can be made.*TMPDIR") as caught:
        open_backend("")
    assert isinstance(caught.value.__cause__, OSError)


@pytest.mark.parametrize(
    "path",
    ["missing/store", "file/store", "file/deeper/store", "/proc/no/such", "/dev/null", "a\0b", "x" * 300, "loop"],
)
@pytest.mark.parametrize("ending", ["", "/"])
def test_B14_a_bad_path_is_a_connection_error_that_names_it(tmp_path, open_backend, path, ending):
    """B14: no parent, a path through a file, a device, NUL, too long: the error names the path and chains its cause."""
    (tmp_path / "file").write_bytes(b"")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    endpoint = f"{path if path.startswith('/') else f'{tmp_path}/{path}'}{ending}"
    with pytest.raises(RendezvousConnectionError) as caught:
        open_backend(endpoint)
    assert f"file backend at {endpoint!r}: " in str(caught.value)
    assert isinstance(caught.value.__cause__, (OSError, ValueError))


def test_B14_a_directory_without_permission_is_a_connection_error(open_backend):
    """B14: without write access, creation fails, or the first write does if the file already exists."""
    with tempfile.TemporaryDirectory() as directory:
        there = Path(directory, "there")
        there.write_bytes(b"")
        open_backend(str(there))  # so that nothing needs to be imported while somebody else tries
        Path(directory).chmod(0o555)
        with _without_privileges(), pytest.raises(RendezvousConnectionError, match="read and write access") as caught:
            open_backend(f"{directory}/store")
        assert isinstance(caught.value.__cause__, PermissionError)
        with _without_privileges(), pytest.raises(RendezvousConnectionError, match="read and write access"):
            open_backend(str(there)).set_state(b"x")


def test_B15_runs_share_a_store_and_deleting_a_key_gives_a_clean_slate(endpoint, open_backend):
    """B15: each run has a state of its own; when a run's key is deleted, it starts again, unnoticed by the others."""
    one, other = open_backend(endpoint, "one"), open_backend(endpoint, "other")
    _, old_token, _ = one.set_state(b"1")
    other.set_state(b"2")
    assert (one.get_state()[0], other.get_state()[0]) == (b"1", b"2")
    assert one.raw_store.delete(RendezvousParameters("file", endpoint, "one", 1, 2).key)
    assert one.get_state() is None
    assert one.set_state(b"3", old_token) is None
    assert one.set_state(b"3").has_set
    assert other.get_state()[0] == b"2"


def test_E16_a_misspelt_option_is_refused_with_the_near_match(tmp_path, open_backend):
    """E16: `read_timout` is a ValueError that proposes read_timeout, and nothing was created."""
    with pytest.raises(ValueError, match=r"read_timout.*did you mean 'read_timeout'"):
        open_backend(str(tmp_path / "store"), read_timout=5)
    assert list(tmp_path.iterdir()) == []


def test_an_observer_creates_nothing(tmp_path):
    """An observer sees no state at a missing path, leaves it missing, and cannot create it."""
    params = RendezvousParameters("file", str(tmp_path / "store"), "run", 1, 2).for_observer()
    backend = create_backend(params)
    assert backend.get_state() is None
    assert backend.wait_state(None, 0.01) == (False, None)
    assert backend.delete_state() is False
    with pytest.raises(RendezvousConnectionError, match="start the job first"):
        backend.set_state(b"x")
    assert list(tmp_path.iterdir()) == []
    backend.close()


def test_an_observer_sees_what_appears_later_and_may_delete_it(endpoint, open_backend):
    """`rdzv status` may start before the job, and `rdzv reset` works on what is there."""
    observer = create_backend(RendezvousParameters("file", endpoint, "run", 1, 2).for_observer())
    assert observer.get_state() is None
    open_backend(endpoint).set_state(b"x")
    assert observer.get_state()[0] == b"x"
    assert observer.delete_state()
    assert observer.get_state() is None
    observer.close()


def test_an_observers_sibling_is_an_observer(tmp_path):
    """Siblings know that they observe, and create nothing where there is nothing."""
    observer = create_backend(RendezvousParameters("file", str(tmp_path / "store"), "run", 1, 2).for_observer())
    sibling = observer.sibling("members")
    assert sibling.params.observing
    assert sibling.params.purpose == "members"
    assert sibling.get_state() is None
    assert list(tmp_path.iterdir()) == []
    sibling.close()
    observer.close()


def test_an_observer_needs_a_path():
    """There is no temp file to observe, and none is created."""
    with pytest.raises(RendezvousConnectionError, match="give the endpoint"):
        create_backend(RendezvousParameters("file", "", "run", 1, 2).for_observer())


def test_a_relative_path_stays_where_it_was(tmp_path, monkeypatch, open_backend):
    """A program that changes its directory later goes on with the same store."""
    monkeypatch.chdir(tmp_path)
    backend = open_backend("store")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    backend.set_state(b"x")
    assert FileStore(str(tmp_path / "store")).get(backend.key) is not None


def test_a_link_to_the_store_is_followed_and_stays_a_link(tmp_path, open_backend):
    """A write through a symbolic link replaces the file, not the link."""
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "store")
    open_backend(str(link)).set_state(b"x")
    assert link.is_symlink()
    assert open_backend(str(tmp_path / "store")).get_state()[0] == b"x"


def test_a_lock_or_register_that_is_a_link_is_not_followed(tmp_path, open_backend):
    """In a directory that others can write to, a planted link cannot make us write or read elsewhere."""
    victim = tmp_path / "victim"
    victim.write_bytes(b"precious")
    backend = open_backend(str(tmp_path / "store"))
    (tmp_path / "store.lock").unlink()
    (tmp_path / "store.lock").symlink_to(victim)
    with pytest.raises(RendezvousConnectionError, match="link"):
        backend.set_state(b"x")
    assert victim.read_bytes() == b"precious"


def test_a_file_of_somebody_else_is_refused_and_left_as_it_is(tmp_path, open_backend):
    """A path given by mistake costs nobody their file, not even when the run is reset."""
    thesis = tmp_path / "thesis.tex"
    thesis.write_bytes(b"\\documentclass{book}")
    backend = open_backend(str(thesis))
    for call in (backend.get_state, lambda: backend.set_state(b"x"), backend.delete_state):
        with pytest.raises(RendezvousStateError, match="name another path"):
            call()
    assert thesis.read_bytes() == b"\\documentclass{book}"


def test_a_store_that_vanishes_is_a_lost_connection_and_works_again_when_it_is_back(endpoint, open_backend):
    """An unmounted file system must not read as "no state", or two groups form."""
    backend = open_backend(endpoint)
    backend.set_state(b"x")
    place, away = Path(endpoint), Path(endpoint).with_name("away")
    place.rename(away)
    for call in (backend.get_state, lambda: backend.set_state(b"y"), lambda: backend.wait_state(None, 1)):
        with pytest.raises(RendezvousConnectionError, match="gone"):
            call()
    away.rename(place)
    assert backend.get_state()[0] == b"x"


def test_repr_says_where_and_whether_it_is_open(tmp_path, open_backend):
    """A log line shows path, run and state of a backend."""
    backend = open_backend(f"{tmp_path}/store", "job-7")
    assert repr(backend) == f"<FileBackend '{tmp_path}/store' run_id='job-7' open>"
    backend.close()
    assert repr(backend) == f"<FileBackend '{tmp_path}/store' run_id='job-7' closed>"

"""What was read is kept with its file: while that is the same, one look at its status is all that a read costs."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import pytest
from rdzv_file import _kept, _mounts, _notify, _waiting

from rdzv_core import RendezvousConnectionError, RendezvousStateError


def _files(endpoint: str) -> list[Path]:
    here = Path(endpoint)
    return [here, *here.parent.glob(f"{here.name}.*")] if here.is_file() else list(here.iterdir())


def _register(endpoint: str) -> Path:
    (file,) = (file for file in _files(endpoint) if file.suffix not in (".last", ".lock") and "-lock-" not in file.name)
    return file


def test_an_unchanged_state_is_read_with_one_look_at_the_file(endpoint, open_backend, monkeypatch):
    """Nothing is opened and nothing read, by who has read it as by who has written it."""
    writer, reader = open_backend(endpoint), open_backend(endpoint)
    _, token, _ = writer.set_state(b"x")
    assert reader.get_state() == (b"x", token)
    looks: list[object] = []
    stat, file = os.stat, str(_register(endpoint))

    def counted(path, **how):
        looks.append(path)
        return stat(path, **how)

    monkeypatch.setattr(os, "stat", counted)
    monkeypatch.setattr(os, "open", lambda *_: pytest.fail("a file was opened"))
    for backend in (writer, reader):
        assert backend.get_state() == (b"x", token)
    assert looks == [file] * 2


def test_a_file_that_the_file_system_loses_while_it_is_open_is_read_again(endpoint, open_backend, monkeypatch):
    """FUSE and NFS may do so once it was replaced: what was read from it holds, and the next read opens another."""
    writer, reader = open_backend(endpoint), open_backend(endpoint)
    _, token, _ = writer.set_state(b"x")
    of, fstat = _kept.Kept.of, os.fstat
    kept: list[str] = []

    def gone(_):
        raise FileNotFoundError(2, "No such file or directory")

    def lost(path, pin, beginning, values):
        kept.append(path)
        monkeypatch.setattr(os, "fstat", gone)
        try:
            return of(path, pin, beginning, values)
        finally:
            monkeypatch.setattr(os, "fstat", fstat)

    monkeypatch.setattr(_kept.Kept, "of", lost)
    assert reader.get_state() == (b"x", token)
    assert reader.get_state() == (b"x", token)
    assert kept == [str(_register(endpoint))] * 2
    monkeypatch.setattr(_kept.Kept, "of", of)
    assert reader.set_state(b"y", token).has_set


def test_a_file_whose_inode_number_came_back_is_another_one(endpoint, open_backend):
    """The file that was read stays open: so no later one has its number, however often it is replaced."""
    writer, reader = open_backend(endpoint), open_backend(endpoint)
    _, token, _ = writer.set_state(b"0")
    for number in range(200):
        assert reader.get_state() == (b"%d" % number, token)
        for value in (b"between", b"%d" % (number + 1)):
            _, token, has_set = writer.set_state(value, token)
            assert has_set


def test_over_a_network_every_read_opens_the_file(endpoint, open_backend, monkeypatch):
    """A status may be a minute old there. Its answers are: the reader sees what is written all the same."""
    writer, reader = open_backend(endpoint), open_backend(endpoint)
    _, token, _ = writer.set_state(b"old")
    assert reader.get_state() == (b"old", token)
    file, stat = str(_register(endpoint)), os.stat
    cached = stat(file)
    monkeypatch.setattr(_kept, "is_local", lambda path, device: False)
    monkeypatch.setattr(os, "stat", lambda path, **how: cached if path == file else stat(path, **how))
    _, token, _ = writer.set_state(b"new", token)
    assert reader.get_state() == (b"new", token)
    assert reader.wait_state(token, 0) == (False, (b"new", token))


def test_a_file_system_is_local_if_it_is_known_to_be(tmp_path, monkeypatch):
    """NFS, FUSE and what is not in the list of mounts are not: there more is read, and nothing missed."""
    mounts = tmp_path / "mountinfo"
    mounts.write_text(
        "1 0 8:1 / / rw - ext4 /dev/root rw\n"
        "2 1 0:9 / /shared rw - nfs4 server:/ rw\n"
        "3 2 0:10 / /shared/with\\040space rw shared:1 - tmpfs tmpfs rw\n"
        "4 1 0:11 / /fuse rw - fuse.sshfs host: rw\n"
    )
    monkeypatch.setattr(_mounts, "_MOUNTS", str(mounts))
    monkeypatch.setattr(_mounts, "_known", {})
    expected = {"/x": True, "/shared": False, "/shared/x": False, "/shared/with space/x": True, "/fuse/x": False}
    assert {path: _mounts.is_local(path, 1) for path in expected} == expected
    monkeypatch.setattr(_mounts, "_MOUNTS", str(tmp_path / "missing"))
    assert not _mounts.is_local("/y", 1)


def test_an_edit_by_hand_is_seen(endpoint, open_backend):
    """Nobody should, but whoever cuts or overwrites the file in its place is not answered from memory."""
    backend = open_backend(endpoint)
    _, token, _ = backend.set_state(b"x" * 100)
    assert backend.get_state() == (b"x" * 100, token)
    os.truncate(_register(endpoint), 60)
    with pytest.raises(RendezvousStateError):
        backend.get_state()


@pytest.mark.parametrize("damage", ["truncated", "flipped"])
def test_the_error_for_a_damaged_file_says_how_to_restore_what_was_before(endpoint, open_backend, damage):
    """The value before the last write is whole in a second file; the command of the error brings it back."""
    backend = open_backend(endpoint)
    _, before, _ = backend.set_state(b"before")
    backend.set_state(b"lost" * 100, before)
    file = _register(endpoint)
    content = bytearray(file.read_bytes())
    content[-20] ^= 0x10
    file.write_bytes(content if damage == "flipped" else content[:0])
    with pytest.raises(RendezvousStateError, match=f"is whole in '{file}.last'") as caught:
        open_backend(endpoint).get_state()
    assert f"`mv {file}.last {file}` restores that" in str(caught.value)
    Path(f"{file}.last").rename(file)
    for reader in (backend, open_backend(endpoint)):
        assert reader.get_state() == (b"before", before)
    assert backend.set_state(b"after", before).has_set


def test_nothing_is_kept_of_what_was_deleted(endpoint, open_backend):
    """With the state goes the one before it; a first write has none to keep."""
    backend = open_backend(endpoint)
    for _ in range(2):
        _, token, _ = backend.set_state(b"secret")
        assert not [file for file in _files(endpoint) if file.suffix == ".last" and b"secret" in file.read_bytes()]
        _, token, _ = backend.set_state(b"next", token)
        assert any(file.suffix == ".last" and b"secret" in file.read_bytes() for file in _files(endpoint))
        assert backend.delete_state(token)
        assert not [file for file in _files(endpoint) if file.suffix == ".last"]
    assert backend.raw_store.keys() == []


def test_a_file_system_without_second_names_keeps_nothing_aside(endpoint, open_backend, monkeypatch):
    """As exFAT, or some FUSE and SMB mounts: a write works all the same."""

    def refused(*_, **__):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refused)
    backend = open_backend(endpoint)
    _, token, _ = backend.set_state(b"x")
    assert backend.set_state(b"y", token).has_set
    assert not [file for file in _files(endpoint) if file.suffix == ".last"]


class _Waiter(threading.Thread):
    def __init__(self, call) -> None:
        super().__init__()
        self._call, self.result, self.error = call, None, None
        self.start()

    def run(self) -> None:
        try:
            self.result = self._call()
        except RendezvousConnectionError as error:
            self.error = error


def _await(condition) -> None:
    until = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < until
        threading.Event().wait(0.005)


@pytest.fixture
def long_naps(monkeypatch):
    """Let a look without a change be a minute away: what ends a wait before that is the alarm."""
    monkeypatch.setattr(_waiting, "_LONGEST_WITH_ALARM", 60.0)
    monkeypatch.setattr(_waiting, "_FIRST_WITH_ALARM", 60.0)


@pytest.mark.skipif(not Path("/proc/self/mountinfo").exists(), reason="inotify is Linux's")
def test_a_change_ends_a_nap(endpoint, open_backend, long_naps):
    """A register that appears, changes and goes; a member that enters; a key that is set."""
    backend, watcher = open_backend(endpoint), open_backend(endpoint)
    store = watcher.store("round")
    store.set("first", b"")
    token = None
    steps = [
        (lambda: watcher.wait_state(token, 50)[0], lambda: backend.set_state(b"x").token),
        (lambda: watcher.wait_state(token, 50)[0], lambda: backend.set_state(b"y", token).token),
        (lambda: watcher.wait_members(watcher.members().version, 50), lambda: backend.enter(b"", 600) and token),
        (lambda: store.get("k", 50) == b"v", lambda: backend.store("round").set("k", b"v") or token),
        (lambda: watcher.wait_state(token, 50)[0], lambda: backend.delete_state() and None),
    ]
    for wait, change in steps:
        waiting = _Waiter(wait)
        _await(lambda: _notify._shared.instance is not None and _notify._shared.instance._bells)
        token = change()
        waiting.join(25)
        assert not waiting.is_alive()
        assert waiting.result is True
    assert _notify._shared.instance is None


@pytest.mark.skipif(not Path("/proc/self/mountinfo").exists(), reason="inotify is Linux's")
def test_close_ends_a_long_nap(endpoint, open_backend, long_naps):
    """Whoever naps is woken when a backend of this process is closed, and only its own waits end."""
    backend, other = open_backend(endpoint), open_backend(endpoint)
    waiting, others = _Waiter(lambda: backend.wait_state(None, 50)), _Waiter(lambda: other.wait_state(None, 50))
    _await(lambda: _notify._shared.users == 2)
    backend.close()
    waiting.join(5)
    assert not waiting.is_alive()
    assert waiting.error is not None
    other.set_state(b"x")
    others.join(25)
    assert others.result[0] is True


def test_without_an_alarm_a_wait_looks_again_and_again(endpoint, open_backend, monkeypatch):
    """Where no inotify instance is left: nothing is relied upon."""
    monkeypatch.setattr(_notify._Instance, "__init__", lambda self: (_ for _ in ()).throw(OSError(24, "none is left")))
    backend, watcher = open_backend(endpoint), open_backend(endpoint)
    waiting = _Waiter(lambda: watcher.wait_state(None, 30))
    _await(lambda: _notify._shared.users == 1)
    backend.set_state(b"x")
    waiting.join(20)
    assert waiting.result[0] is True


def test_a_forked_child_waits_with_an_alarm_of_its_own(endpoint, open_backend):
    """Its parent's thread is not there; the parent's own waits go on."""
    backend, watcher = open_backend(endpoint), open_backend(endpoint)
    _, token, _ = backend.set_state(b"x")
    waiting = _Waiter(lambda: watcher.wait_state(token, 30))
    _await(lambda: _notify._shared.users == 1)
    child = os.fork()
    if child == 0:
        good = False
        try:
            good = watcher.wait_state(token, 0.3) == (False, (b"x", token)) and _notify._shared.users == 0
        finally:
            os._exit(0 if good else 1)
    assert os.waitpid(child, 0)[1] == 0
    backend.set_state(b"y", token)
    waiting.join(20)
    assert waiting.result[0] is True

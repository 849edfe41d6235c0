"""Where the reference's file store is wrong, and what holds here; and what the register promises beyond."""

from __future__ import annotations

import stat
import threading
import time
from pathlib import Path

import pytest
from rdzv_file import FileStore

from rdzv_core import RendezvousConnectionError, RendezvousParameters, RendezvousStateError


def _files(endpoint: str) -> list[Path]:
    """Everything the store has on disk."""
    here = Path(endpoint)
    return [here, *here.parent.glob(f"{here.name}.*")] if here.is_file() else list(here.iterdir())


def test_E1_a_token_is_not_revived_by_writing_its_value_again(endpoint, open_backend):
    """E1: after A, B, A the first token is refused."""
    backend = open_backend(endpoint)
    _, first, _ = backend.set_state(b"A")
    _, second, _ = backend.set_state(b"B", first)
    _, third, _ = backend.set_state(b"A", second)
    assert backend.set_state(b"C", first) == (b"A", third, False)


def test_E1_a_token_is_not_revived_by_deleting_and_creating_again(endpoint, open_backend):
    """E1: a token from before the deletion is refused, though the state is the same."""
    backend = open_backend(endpoint)
    _, first, _ = backend.set_state(b"A")
    assert backend.delete_state(first)
    _, second, _ = backend.set_state(b"A")
    assert second != first
    assert backend.set_state(b"B", first) == (b"A", second, False)


def test_E2_of_two_writers_of_equal_bytes_one_wins(endpoint, open_backend):
    """E2: has_set says who wrote, not what was written."""
    one, other = open_backend(endpoint), open_backend(endpoint)
    _, token, _ = one.set_state(b"x")
    results = [backend.set_state(b"same", token) for backend in (one, other)]
    assert [result.has_set for result in results] == [True, False]
    assert results[0].token == results[1].token


def test_E3_the_empty_state_is_a_state(endpoint, open_backend):
    """E3: b"" can be set, read, updated, and survives the next client's constructor."""
    _, token, has_set = open_backend(endpoint).set_state(b"")
    assert has_set
    later = open_backend(endpoint)
    assert later.get_state() == (b"", token)
    assert later.set_state(b"x", token).has_set


@pytest.mark.parametrize("state", [b"canimadam", b"\n", b"\0", bytes(range(256)), b"rdzv1 ", b"x" * 300_000])
def test_E4_no_value_is_special(endpoint, open_backend, state):
    """E4: the reference's sentinel, line ends, NUL, every byte value and our own header are states like any other."""
    backend = open_backend(endpoint)
    _, token, _ = backend.set_state(state)
    assert backend.get_state() == (state, token)
    assert backend.set_state(b"next", token).has_set


@pytest.mark.parametrize("token", [b"\xff\xfe", "invalid", "", b"", 0, False, (), ("a",), 12, object()])
def test_E5_a_malformed_token_of_any_type_is_refused(endpoint, open_backend, token):
    """E5: it changes nothing, raises nothing, and creates nothing."""
    backend = open_backend(endpoint)
    assert backend.set_state(b"x", token) is None
    assert backend.get_state() is None
    _, current, _ = backend.set_state(b"x")
    assert backend.set_state(b"y", token) == (b"x", current, False)
    assert backend.delete_state(token) is False


def test_a_state_over_the_limit_is_refused_and_the_next_call_works(endpoint, open_backend):
    """A state longer than max_state_bytes is a ValueError that writes nothing; one of exactly that length is kept."""
    backend = open_backend(endpoint)
    with pytest.raises(ValueError, match="at most 16777216"):
        backend.set_state(bytes(backend.max_state_bytes + 1))
    assert backend.get_state() is None
    backend.set_state(bytes(backend.max_state_bytes))
    assert backend.get_state()[0] == bytes(backend.max_state_bytes)


def test_E7_a_conditional_write_of_a_vanished_key_gives_none(endpoint, open_backend):
    """E7: with a token, where there is nothing any more, the answer is None and nothing is written."""
    backend = open_backend(endpoint)
    _, token, _ = backend.set_state(b"x")
    open_backend(endpoint).delete_state()
    assert backend.set_state(b"y", token) is None
    assert backend.get_state() is None


def test_E8_reading_what_is_absent_never_waits_not_even_for_a_lock(endpoint, open_backend):
    """E8: None comes at once, while another thread waits on the same instance and another writer holds the lock."""
    backend = open_backend(endpoint, read_timeout=30)
    waiter = threading.Thread(target=backend.wait_state, args=(None, 30))
    waiter.start()
    with backend.raw_store.locked(backend.key):
        began = time.monotonic()
        assert backend.get_state() is None
        assert backend.set_state(b"x", b"stale") is None
        assert time.monotonic() - began < 5
    backend.set_state(b"x")
    waiter.join(10)
    assert not waiter.is_alive()


def test_E10_a_run_named_like_another_runs_key_is_a_run_of_its_own(endpoint, open_backend):
    """E10: no name, not even one spelt like a path or another run's key, meets another run's register."""
    key = RendezvousParameters("file", endpoint, "job", 1, 2).key
    names = [
        "job",
        "job.0/MASTER_ADDR",
        "JOB",
        "job/",
        "../job",
        ".",
        "..",
        "a\nb",
        "a\0b",
        key,
        f"{key}.lock",
        "ü" * 512,
    ]
    backends = {name: open_backend(endpoint, name) for name in names}
    for name, backend in backends.items():
        assert backend.set_state(name.encode()).has_set
    assert {name: backend.get_state()[0] for name, backend in backends.items()} == {n: n.encode() for n in names}


def test_E10_siblings_are_registers_of_their_own_shared_by_the_run(endpoint, open_backend):
    """E10: every purpose has its register; another instance's sibling of that purpose is the same one."""
    backend = open_backend(endpoint)
    one, same, other = backend.sibling("a"), open_backend(endpoint).sibling("a"), backend.sibling("b").sibling("c")
    one.set_state(b"1")
    assert same.get_state()[0] == b"1"
    assert other.get_state() is None
    assert backend.get_state() is None
    backend.close()
    assert same.set_state(b"2", one.get_state().token).has_set


@pytest.mark.parametrize("keep", [0, 1, 30, 60, 130, -1])
def test_E11_a_torn_record_is_a_state_error_for_readers_writers_and_waiters(tmp_path, open_backend, keep):
    """E11: cut off anywhere, the register is never "no state" and never overwritten; nobody spins."""
    backend = open_backend(f"{tmp_path}/store/")
    _, token, _ = backend.set_state(b"y" * 100)
    (file,) = (file for file in _files(f"{tmp_path}/store/") if file.name.startswith("rdzv."))
    torn = file.read_bytes()[:keep]
    file.write_bytes(torn)
    for call in (
        backend.get_state,
        lambda: backend.set_state(b"z"),
        lambda: backend.set_state(b"z", token),
        lambda: backend.wait_state(token, 30),
        lambda: backend.delete_state(token),
    ):
        with pytest.raises(RendezvousStateError, match=r"run 'run' cannot be read.*rdzv reset"):
            call()
    assert file.read_bytes() == torn
    assert backend.delete_state()
    assert backend.set_state(b"anew").has_set


@pytest.mark.parametrize("keep", [1, 30, 60, 130, -1])
def test_E11_a_torn_file_of_many_registers_is_a_state_error(tmp_path, open_backend, keep):
    """E11: the same where one file holds all; a reset clears it, since it was ours (empty is a new store)."""
    backend = open_backend(f"{tmp_path}/store")
    _, token, _ = backend.set_state(b"y" * 100)
    file = tmp_path / "store"
    torn = file.read_bytes()[:keep]
    file.write_bytes(torn)
    for call in (backend.get_state, lambda: backend.set_state(b"z"), lambda: backend.set_state(b"z", token)):
        with pytest.raises(RendezvousStateError, match="damaged"):
            call()
    assert file.read_bytes() == torn
    if torn.startswith(b"rdzv1 "):
        assert backend.delete_state()
        assert backend.set_state(b"anew").has_set


@pytest.mark.parametrize("position", [0, 6, 40, 52, 70, 120, 170, -1])
def test_E11_a_flipped_bit_is_a_state_error_wherever_it_is(endpoint, open_backend, position):
    """E11: in a header, a key, a length or the state: it is seen."""
    backend = open_backend(endpoint)
    backend.set_state(b"y" * 200)
    (file,) = (file for file in _files(endpoint) if file.suffix not in (".last", ".lock") and "-lock-" not in file.name)
    content = bytearray(file.read_bytes())
    content[position] ^= 0x10
    file.write_bytes(content)
    with pytest.raises(RendezvousStateError):
        backend.get_state()


def test_E12_the_store_is_as_large_as_its_state_and_for_this_user_alone(endpoint, open_backend):
    """E12: 1,000 writes of 10 kB leave that twice with a header, the last one and the one before it, for this user."""
    backend = open_backend(endpoint)
    token = None
    for _ in range(1000):
        _, token, has_set = backend.set_state(b"y" * 10_000, token)
        assert has_set
    assert 20_000 <= sum(file.stat().st_size for file in _files(endpoint)) < 20_500
    assert {stat.S_IMODE(file.stat().st_mode) for file in _files(endpoint)} == {0o600}
    assert len(_files(endpoint)) == 3
    if endpoint.endswith("/"):
        assert stat.S_IMODE(Path(endpoint).stat().st_mode) == 0o700


def test_E12_a_file_that_others_could_read_is_closed_to_them_by_the_first_write(tmp_path, open_backend):
    """E12: an empty file of mode 0666 is taken as it is, and holds state only as 0600."""
    file = tmp_path / "store"
    file.touch()
    file.chmod(0o666)
    open_backend(str(file)).set_state(b"x")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_E12_a_second_launch_with_another_run_id_finds_no_state(endpoint, open_backend):
    """E12: what an earlier run left is seen by its own run id alone."""
    open_backend(endpoint, "monday").set_state(b"x")
    assert open_backend(endpoint, "tuesday").get_state() is None


def test_deleted_registers_leave_nothing_behind(endpoint, open_backend):
    """Registers that come and go, such as one for every member, do not fill the directory."""
    backend = open_backend(endpoint)
    for member in range(300):
        sibling = backend.sibling(f"member-{member}")
        sibling.set_state(b"here")
        assert sibling.delete_state()
        assert not sibling.delete_state()
    assert len(_files(endpoint)) <= 256 + 1
    assert sum(file.stat().st_size for file in _files(endpoint)) < 100


def test_delete_state_with_a_token_deletes_that_state_only(endpoint, open_backend):
    """A stale token deletes nothing."""
    backend = open_backend(endpoint)
    _, old, _ = backend.set_state(b"x")
    _, new, _ = backend.set_state(b"y", old)
    assert backend.delete_state(old) is False
    assert backend.get_state() == (b"y", new)
    assert backend.delete_state(new) is True


def test_after_close_every_call_raises(endpoint, open_backend):
    """A closed backend raises RendezvousConnectionError; closing twice is not an error; others are not disturbed."""
    backend, other = open_backend(endpoint), open_backend(endpoint)
    backend.close()
    backend.close()
    for call in (
        backend.get_state,
        backend.delete_state,
        lambda: backend.set_state(b"x"),
        lambda: backend.wait_state(None, 1),
        lambda: backend.sibling("x"),
    ):
        with pytest.raises(RendezvousConnectionError, match="closed"):
            call()
    assert other.set_state(b"x").has_set


@pytest.mark.parametrize("key", ["", "a/b", ".hidden", "-x", "x" * 129, "x.last", "x.lock", "x.tmp", "a\n", "ü"])
def test_the_raw_store_refuses_a_key_that_is_no_file_name(endpoint, key):
    """A raw key never leaves the store's directory nor meets its own files."""
    store = FileStore(endpoint)
    for call in (store.get, store.delete, store.file_of, lambda key: store.set(key, b"x")):
        with pytest.raises(ValueError, match="is not a key"):
            call(key)


def test_the_raw_store_keeps_values_by_key(endpoint):
    """set, get and delete do as a map does, for any bytes."""
    store = FileStore(endpoint)
    assert store.get("a") is None
    store.set("a", b"")
    store.set("b", b"\n2\0")
    store.set("a", b"1\n")
    assert (store.get("a"), store.get("b")) == (b"1\n", b"\n2\0")
    assert (store.delete("a"), store.delete("a")) == (True, False)
    assert (store.get("a"), store.get("b")) == (None, b"\n2\0")
    assert repr(store) == f"<FileStore {endpoint!r}>"

"""`VersionedBackend`: what it makes of three methods, when answers are lost and others write in between."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from rdzv_core import (
    RendezvousConfigurationError,
    RendezvousConnectionError,
    RendezvousError,
    RendezvousParameters,
    RendezvousStateError,
)
from rdzv_core.authoring import VersionedBackend
from rdzv_core.envelope import seal


class StoreError(Exception):
    """What the library of this store raises."""


class Drawer(VersionedBackend):
    """Over a dict with a version for each key; `acts` holds what happens at the next calls, by method."""

    name = "drawer"
    store_errors = (StoreError,)

    def __init__(
        self, params: RendezvousParameters, values: dict[str, tuple[bytes, int]], timeout: float = 20.0
    ) -> None:
        super().__init__(params, timeout)
        self.values = values
        self.before: dict[str, list[Callable[[], Any]]] = {}
        self.after: dict[str, list[Callable[[], Any]]] = {}
        self.written: list[bytes] = []
        self.releases = 0

    def read(self) -> tuple[bytes, int] | None:
        return self._call("read", lambda: self.values.get(self.params.key))

    def write_if(self, raw: bytes, version: int | None) -> bool:
        return self._call("write_if", lambda: self.put(raw, version))

    def delete_if(self, version: int) -> bool:
        return self._call("delete_if", lambda: self._remove(version))

    def error_of(self, error: Exception) -> RendezvousError:
        if "password" in str(error):
            return RendezvousConfigurationError(f"{self.where}: {error}")
        return super().error_of(error)

    def released(self) -> None:
        self.releases += 1

    def put(self, raw: bytes, version: int | None) -> bool:
        self.written.append(raw)
        there = self.values.get(self.params.key)
        if (None if there is None else there[1]) != version:
            return False
        self.values[self.params.key] = (raw, (version or 0) + 1)
        return True

    def _remove(self, version: int) -> bool:
        there = self.values.get(self.params.key)
        if there is None or there[1] != version:
            return False
        del self.values[self.params.key]
        return True

    def _call(self, method: str, call: Callable[[], Any]) -> Any:
        if self.before.get(method):
            self.before[method].pop(0)()
        answer = call()
        if self.after.get(method):
            self.after[method].pop(0)()
        return answer


def fail(text: str = "connection reset") -> Callable[[], None]:
    def act() -> None:
        raise StoreError(text)

    return act


@pytest.fixture
def values() -> dict[str, tuple[bytes, int]]:
    """What the store holds."""
    return {}


@pytest.fixture
def drawer(values: Any, make_params: Any) -> Drawer:
    """This node's register."""
    return Drawer(make_params("drawer", "here"), values)


@pytest.fixture
def other(values: Any, make_params: Any) -> Drawer:
    """The same register as another node has it."""
    return Drawer(make_params("drawer", "here"), values)


def test_it_is_a_fenced_register(drawer: Drawer) -> None:
    """Created, read, updated by token, refused without the current one, deleted."""
    assert drawer.get_state() is None
    assert drawer.set_state(b"x", b"no such token") is None
    state, first, has_set = drawer.set_state(b"a")  # type: ignore[misc]
    assert (state, has_set) == (b"a", True)
    assert drawer.get_state() == (b"a", first)
    second = drawer.set_state(b"b", first)
    assert second is not None
    assert second.has_set
    for stale in (None, first, "", 0, (), second.token.hex(), second.token[:8]):  # type: ignore[union-attr,index]
        assert drawer.set_state(b"c", stale) == (b"b", second.token, False)  # type: ignore[arg-type]
    assert not drawer.delete_state(first)
    assert drawer.delete_state(second.token)
    assert not drawer.delete_state()


def test_an_answer_that_is_none_is_told_with_its_method(drawer: Drawer, monkeypatch: pytest.MonkeyPatch) -> None:
    """A forgotten `return` would else look like a write that others are always faster than."""
    monkeypatch.setattr(drawer, "write_if", lambda *_: None)
    with pytest.raises(TypeError, match=r"Drawer.write_if\(\) returned None: it must return True or False"):
        drawer.set_state(b"x")
    monkeypatch.undo()
    assert drawer.set_state(b"x")
    monkeypatch.setattr(drawer, "delete_if", lambda _: None)
    with pytest.raises(TypeError, match=r"Drawer.delete_if\(\) returned None: it must return True or False"):
        drawer.delete_state()
    monkeypatch.setattr(drawer, "read", lambda: b"x")
    with pytest.raises(
        TypeError, match=r"Drawer.read\(\) returned bytes: it must return the stored bytes and their ver"
    ):
        drawer.get_state()


@pytest.mark.parametrize("has_state", [False, True])
def test_a_write_whose_answer_was_lost_is_recognised_as_its_own(drawer: Drawer, has_state: bool) -> None:
    """It took effect: so it has won, whatever the library says."""
    token = drawer.set_state(b"a").token if has_state else None  # type: ignore[union-attr]
    drawer.after["write_if"] = [fail()]
    result = drawer.set_state(b"b", token)
    assert result is not None
    assert result.has_set
    assert drawer.get_state() == (b"b", result.token)


def test_a_write_that_was_never_carried_out_raises(drawer: Drawer) -> None:
    """It may still arrive: its outcome is unknown, and the error names the store and chains the library's."""
    drawer.before["write_if"] = [fail("broken pipe")]
    with pytest.raises(RendezvousConnectionError, match="drawer backend at 'here': broken pipe") as raised:
        drawer.set_state(b"b")
    assert isinstance(raised.value.__cause__, StoreError)
    assert drawer.get_state() is None


def test_a_lost_write_that_was_overwritten_is_not_called_refused(drawer: Drawer, other: Drawer) -> None:
    """Nobody can tell any more who was first: an error, and no claim that another has won."""

    def overwrite() -> None:
        there = other.get_state()
        assert there is not None
        other.set_state(b"theirs", there.token)
        fail()()

    drawer.after["write_if"] = [overwrite]
    with pytest.raises(RendezvousConnectionError, match="connection reset"):
        drawer.set_state(b"mine")


def test_a_write_that_the_library_sent_twice_has_won(drawer: Drawer) -> None:
    """The second attempt is refused, by the first one."""

    def once_more() -> None:
        assert not drawer.put(drawer.written[-1], None)

    def write_if(raw: bytes, version: int | None) -> bool:
        drawer.put(raw, version)
        return drawer.put(raw, version)

    drawer.write_if = write_if  # type: ignore[method-assign]
    result = drawer.set_state(b"a")
    assert result is not None
    assert result.has_set
    once_more()


def test_it_asks_again_where_a_refused_write_finds_nothing(drawer: Drawer, other: Drawer) -> None:
    """Somebody created the state and deleted it: a node that creates goes on, one that updates is told None."""
    drawer.before["write_if"] = [lambda: other.set_state(b"theirs")]
    drawer.after["write_if"] = [other.delete_state]
    result = drawer.set_state(b"mine")
    assert result is not None
    assert result.has_set
    drawer.before["write_if"] = [other.delete_state]
    assert drawer.set_state(b"again", result.token) is None


def test_one_that_others_are_always_faster_than_ends_in_time(drawer: Drawer) -> None:
    """No loop without an end."""
    drawer.write_if = lambda raw, version: False  # type: ignore[method-assign]
    drawer.guard.timeout = 0.05
    with pytest.raises(RendezvousConnectionError, match=r"no answer within 0\.05 s"):
        drawer.set_state(b"a")


def test_what_is_too_long_is_refused_and_nothing_is_written(drawer: Drawer) -> None:
    """At the backend's own limit it fits."""
    with pytest.raises(ValueError, match="too long"):
        drawer.set_state(bytes(drawer.max_state_bytes + 1))
    assert not drawer.written
    assert drawer.set_state(bytes(drawer.max_state_bytes)) is not None


@pytest.mark.parametrize("raw", [b"", b"something else", seal(b"cut")[:-1]])
def test_what_is_damaged_is_a_state_error_and_left_as_it_is(drawer: Drawer, values: Any, raw: bytes) -> None:
    """For reads and writes alike; a deletion without a token removes it."""
    values[drawer.params.key] = (raw, 1)
    for call in (drawer.get_state, lambda: drawer.set_state(b"x"), lambda: drawer.set_state(b"x", b"token")):
        with pytest.raises(RendezvousStateError, match=f"drawer backend at 'here', key {drawer.params.key}"):
            call()
    assert values[drawer.params.key] == (raw, 1)
    assert drawer.delete_state()


def test_an_error_that_waiting_cannot_fix_is_its_own_kind(drawer: Drawer) -> None:
    """And is not looked into as a lost answer."""
    drawer.before = {"read": [fail("wrong password")]}
    with pytest.raises(RendezvousConfigurationError, match="wrong password"):
        drawer.get_state()
    drawer.before = {"write_if": [fail("wrong password")]}
    with pytest.raises(RendezvousConfigurationError, match="wrong password"):
        drawer.set_state(b"x")


def test_close_releases_once_and_ends_calls_under_way(drawer: Drawer) -> None:
    """A call that waits in the library is interrupted where its author has said how."""
    waits, ended = threading.Event(), threading.Event()

    def read() -> None:
        with drawer.current_call().interruptible(ended.set):
            waits.set()
            assert ended.wait(20)
            raise StoreError("interrupted")

    drawer.read = read  # type: ignore[method-assign]
    raised: list[BaseException] = []

    def call() -> None:
        try:
            drawer.get_state()
        except RendezvousError as error:
            raised.append(error)

    thread = threading.Thread(target=call)
    thread.start()
    assert waits.wait(20)
    drawer.close()
    drawer.close()
    thread.join(20)
    assert (drawer.releases, [type(error) for error in raised]) == (1, [RendezvousConnectionError])
    assert "was closed" in str(raised[0])
    for after in (drawer.get_state, lambda: drawer.set_state(b"x"), drawer.delete_state):
        with pytest.raises(RendezvousConnectionError, match="drawer backend at 'here' was closed"):
            after()


def test_outside_of_a_call_there_is_no_current_one(drawer: Drawer) -> None:
    """A method of the author's own begins one itself."""
    with pytest.raises(RuntimeError, match=r"with self\.calling"):
        drawer.current_call()
    with drawer.calling(5) as call:
        assert drawer.current_call() is call
        assert 4 < call.left <= 5

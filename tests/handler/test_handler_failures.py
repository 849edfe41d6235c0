"""What a handler does with hostile state, stray exceptions, broken plugins, a fork, and a store that goes away."""

from __future__ import annotations

import os
import pickle
import threading
import uuid
from concurrent.futures import TimeoutError as StillWaiting

import pytest

from rdzv_core import (
    ChangeReason,
    RendezvousConnectionError,
    RendezvousError,
    RendezvousHandler,
    RendezvousStateError,
    create_backend,
    create_handler,
)
from rdzv_core._handler.head import Head, Seat, Terms, decode_head, encode_head
from rdzv_core._handler.roster import pack_roster, page_of, rank_in, unpack_roster
from rdzv_core.events import Joined
from rdzv_core.hooks import Hooks, hookimpl
from rdzv_core.memory import MemoryBackend


class Touch:
    """Runs code when it is unpickled."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self):
        return (open, (self.path, "w"))


def test_D7_the_encoded_state_has_at_most_160_bytes_a_node() -> None:
    """D7: 1,000 nodes with host names of 40 characters: at most 160 bytes each, and the head itself under 16 KiB."""
    seats = tuple(Seat(f"{n:032x}", f"node-{n:011d}", f"{'h' * 35}{n:05d}") for n in range(1000))
    head = Head("e" * 16, Terms(1, 1000, 30, 15, 5), roster=seats)
    assert len(encode_head(head)) <= 160 * 1000
    packed = pack_roster(seats)
    assert len(packed.whole) <= 160 * 1000
    assert len(encode_head(head.changed(roster=(), digest=packed.digest))) <= 16 * 1024
    assert seats == unpack_roster(packed.digest, packed.whole)


@pytest.mark.parametrize("nodes", [100, 1000, 10_000])
def test_a_node_finds_its_rank_on_one_page_of_the_roster(nodes: int) -> None:
    """Every member's rank is on the page that its id names, and no page grows with the number of nodes."""
    seats = tuple(Seat(f"{n * 7919:032x}", f"node-{n}", f"host{n}") for n in range(nodes))
    pages = pack_roster(seats).pages
    found = [rank_in(pages[page_of(seat.member, len(pages))], seat.member) for seat in seats]
    assert list(range(nodes)) == found
    assert max(map(len, pages)) < 4096
    assert all(rank_in(page, "somebody else") is None for page in pages)


def test_E14_a_pickle_in_the_register_runs_nothing(nodes, tmp_path) -> None:
    """E14: what a peer stores is decoded against a type: a pickle is a RendezvousStateError, and no code runs."""
    bait = tmp_path / "owned"
    store = create_backend(nodes.params("attacker", 1, 1))
    store.set_state(pickle.dumps(Touch(str(bait))))
    with pytest.raises(RendezvousStateError, match="no rdzv state"):
        nodes.make("a", 1, 1).next_rendezvous()
    store.close()
    assert not bait.exists()


@pytest.mark.parametrize(
    "state", [b"", b"\xff\xfe", b"[]", b'{"epoch": 3}', b'{"epoch":"e","surprise":1}', b'{"epoch":"e","roster":[[1]]}']
)
def test_state_of_another_shape_is_a_state_error(state: bytes) -> None:
    """Anything but a head is refused, and the error shows how it starts."""
    with pytest.raises(RendezvousStateError):
        decode_head(state)


def test_state_of_a_newer_version_says_which() -> None:
    """A head of a newer version names both versions."""
    with pytest.raises(RendezvousStateError, match="version 2, this rdzv-core reads 1"):
        decode_head(encode_head(Head("e", version=2)))


def test_a_roster_that_is_not_what_its_name_says_is_refused() -> None:
    """A roster's value is checked against the digest in the head."""
    packed = pack_roster((Seat("m", "n", "a"),))
    with pytest.raises(RendezvousStateError):
        unpack_roster("0" * 32, packed.whole)
    with pytest.raises(RendezvousStateError):
        unpack_roster(packed.digest, b"!!")
    with pytest.raises(RendezvousStateError):
        rank_in(b"[]", "m")


class Faulty(MemoryBackend):
    """Raises what no backend should, at every other keep-alive."""

    calls = 0

    def refresh(self, member):
        type(self).calls += 1
        if type(self).calls % 2:
            raise ZeroDivisionError("a stray exception")
        return super().refresh(member)


def test_E15_a_heartbeat_survives_stray_exceptions(nodes) -> None:
    """E15: exceptions of any kind in a keep-alive end neither its thread nor the membership."""
    params = nodes.params("a", 1, 1)
    handler = RendezvousHandler(Faulty.from_params(params), params)
    nodes.made.append(handler)
    handler.next_rendezvous()
    assert handler.wait_for_change(7.0) is None, "several ttls"
    assert Faulty.calls >= 4


class Away(MemoryBackend):
    """A store that can be taken away."""

    away = threading.Event()

    def _guard(self):
        if self.away.is_set():
            raise RendezvousConnectionError("backend 'memory' is away")

    def get_state(self):
        self._guard()
        return super().get_state()

    def refresh(self, member):
        self._guard()
        return super().refresh(member)

    def enter(self, payload, ttl):
        self._guard()
        return super().enter(payload, ttl)


def test_a_node_that_cannot_reach_the_store_is_fenced_by_its_own_clock(nodes) -> None:
    """Cut off from the store, a node is told FENCED before its lease can have ended, and meets again afterwards."""
    params = nodes.params("a", 1, 1)
    handler = RendezvousHandler(Away.from_params(params), params)
    nodes.made.append(handler)
    handler.next_rendezvous()
    Away.away.set()
    change = handler.wait_for_change(10)
    assert change is not None
    assert ChangeReason.FENCED is change.reason
    assert "keep-alive" in change.detail
    Away.away.clear()
    assert handler.next_rendezvous().round == 2


def test_a_store_that_is_away_at_the_start_is_waited_for(nodes, caplog) -> None:
    """A first join goes on trying, and says what is wrong; once the store is there the round forms."""
    params = nodes.params("a", 1, 1)
    handler = RendezvousHandler(Away.from_params(params), params)
    nodes.made.append(handler)
    Away.away.set()
    try:
        joining = nodes.start(handler)
        while "backend 'memory' is away" not in caplog.text:
            with pytest.raises(StillWaiting):
                joining.result(0.02)
    finally:
        Away.away.clear()
    assert joining.result(10).round == 1


def test_after_a_fork_the_child_is_told_and_the_parent_goes_on(nodes) -> None:
    """A forked handler raises in the child; it never hangs there."""
    handler = nodes.make("a", 1, 1)
    handler.next_rendezvous()
    child = os.fork()
    if child == 0:
        try:
            handler.next_rendezvous()
        except RendezvousError as error:
            os._exit(0 if "fork" in str(error) else 1)
        os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert handler.wait_for_change(0.5) is None


class Plugin:
    """Listens, orders ranks backwards, and has opinions on timeouts."""

    def __init__(self) -> None:
        self.events = []

    @hookimpl
    def rdzv_event(self, event):
        self.events.append(event)

    @hookimpl
    def rdzv_assign_ranks(self, run_id, candidates, last):
        return sorted(candidates, reverse=True)

    @hookimpl
    def rdzv_parameter_defaults(self, backend):
        return {"join_timeout": 7.0} if backend == "memory" else None


def _with(plugin) -> Hooks:
    hooks = Hooks(load_installed=False)
    hooks.register(plugin)
    return hooks


def test_a_plugin_hears_events_orders_ranks_and_gives_defaults(nodes) -> None:
    """Many may listen; ranks and parameter defaults may come from a plugin."""
    plugin = Plugin()
    made = []
    for name in ("a", "b"):
        params = nodes.params(name, 2, 2)
        del params.config["join_timeout"]
        made.append(create_handler(params, hooks=_with(plugin)))
    nodes.made += made
    infos = nodes.meet(*made)
    assert infos[0].peers == ["b", "a"]
    assert made[0].settings.join_timeout == 7.0
    assert {0, 1} == {event.rank for event in plugin.events if isinstance(event, Joined)}


class Broken:
    """Fails at everything."""

    @hookimpl
    def rdzv_event(self, event):
        raise RuntimeError("broken plugin")

    @hookimpl
    def rdzv_assign_ranks(self, run_id, candidates, last):
        return ["nobody"]


def test_a_broken_plugin_harms_nobody(nodes, caplog) -> None:
    """A listener that raises, and ranks that are no permutation, are logged; the round forms."""
    handler = create_handler(nodes.params("a", 1, 1), hooks=_with(Broken()))
    nodes.made.append(handler)
    assert handler.next_rendezvous().rank == 0
    assert "broken plugin" in caplog.text
    assert "not a permutation" in caplog.text


def test_plugins_can_be_turned_off(monkeypatch) -> None:
    """RDZV_DISABLE_PLUGINS keeps installed plugins from being looked for at all."""
    import rdzv_core.hooks

    def forbidden(_group):
        pytest.fail("plugins were looked for")

    monkeypatch.setattr(rdzv_core.hooks, "entry_points", forbidden)
    monkeypatch.setenv("RDZV_DISABLE_PLUGINS", "1")
    assert Hooks().defaults("tcp") == {}


def test_a_handler_says_in_its_repr_where_it_is(nodes) -> None:
    """The repr tells the state."""
    handler = nodes.make("a", 1, 1)
    assert f"<RendezvousHandler {nodes.run_id!r} on memory: in no round>" == repr(handler)
    handler.next_rendezvous()
    assert "rank 0 of round 1" in repr(handler)


def test_C3_C4_a_handler_knows_its_backend_and_its_run(nodes) -> None:
    """C3, C4: a handler knows its backend's name and its run."""
    handler = nodes.make(uuid.uuid4().hex, 1, 1)
    assert ("memory", nodes.run_id) == (handler.get_backend(), handler.get_run_id())

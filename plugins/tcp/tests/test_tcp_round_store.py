"""The store of a round over the wire."""

from __future__ import annotations

import re
import socket
from collections.abc import Callable
from typing import Any

import pytest
from rdzv_tcp import TcpBackend, TcpServer
from rdzv_tcp._backend import server_of
from rdzv_tcp._protocol import MAX_STATE_BYTES, PROTOCOL, Hello, StoreGet, encode, frame
from rdzv_tcp._server.server import probe
from rdzv_tcp._state import stores as _stores

from rdzv_core import RendezvousConnectionError, RendezvousStateError, RendezvousTimeoutError
from rdzv_core._fallback import store_of

LIMIT = 20.0


def test_a_store_of_the_server_is_what_a_round_gets(backend: TcpBackend) -> None:
    """`store_of` gives the native store, and each round's is empty."""
    first, second = store_of(backend, "epoch", 1), store_of(backend, "epoch", 2)
    first.set("k", b"v")
    assert repr(first).startswith("<TcpRoundStore 'epoch/1'")
    assert (first.num_keys(), second.num_keys()) == (1, 0)


def test_a_sibling_shares_the_stores_of_its_run(backend: TcpBackend) -> None:
    """Stores belong to the run, not to one of its registers."""
    backend.store("p").set("k", b"v")
    sibling = backend.sibling("other")
    assert sibling.store("p").get("k", LIMIT) == b"v"
    sibling.close()


def test_a_blocked_get_holds_up_nobody(backend: TcpBackend, in_threads: Callable[..., list[Any]]) -> None:
    """Threads wait for keys on the connection on which the last one sets them."""
    store = backend.store("p")

    def act(number: int) -> object:
        if number < 7:
            return store.multi_get(["a", "b"], LIMIT)
        store.set("b", b"2")
        store.add("n", 1)
        return store.set("a", b"1")

    assert in_threads(8, act) == [[b"1", b"2"]] * 7 + [None]


def test_a_wait_in_vain_names_what_is_missing_and_how_long_it_waited(backend: TcpBackend) -> None:
    """The error tells the keys that are not there, and only those."""
    store = backend.store("p")
    store.set("there", b"1")
    with pytest.raises(RendezvousTimeoutError, match=r"waited 0.1 s for 2 keys of .*: 'missing' not set"):
        store.multi_get(["there", "missing"], 0.1)


def test_who_waits_at_a_round_that_is_over_is_told(
    open_backend: Callable[..., TcpBackend], in_threads: Callable[..., list[Any]]
) -> None:
    """A blocked get ends with an error as soon as newer rounds have taken the store's place."""
    # With such a timeout nobody asks again before the get itself has given up.
    backend = open_backend("127.0.0.1:0", read_timeout=600)
    old = backend.store("epoch/0")
    old.set("k", b"v")

    def act(number: int) -> object:
        if number == 0:
            with pytest.raises(RendezvousStateError, match="was dropped, since this run has newer ones"):
                old.get("never", 600)
            return "told"
        core = probe(server_of(backend)).core
        while not core.waiters:
            backend.get_state()
        for newer in range(1, _stores.KEPT_STORES + 1):
            backend.store(f"epoch/{newer}").set("k", b"v")
        return "wrote"

    assert in_threads(2, act) == ["told", "wrote"]
    with pytest.raises(RendezvousStateError, match="was dropped"):
        old.set("k", b"again")


@pytest.mark.parametrize("times", [1, 2])
def test_adding_is_done_once_though_its_answer_was_lost(
    times: int, open_backend: Callable[..., TcpBackend], lossy: Any
) -> None:
    """The client sends it again and gets the answer of the first time, which stays the only one."""
    store = open_backend(lossy.endpoint, is_host=False).store("p")
    store.add("n", 1)
    for turn in range(times):
        lossy.lose_next_answer()
        assert store.add("n", 10) == 11 + 10 * turn
    assert lossy.lost == times
    assert store.get("n", LIMIT) == b"%d" % (1 + 10 * times)


def test_compare_set_whose_answer_was_lost_is_told_as_done(open_backend: Callable[..., TcpBackend], lossy: Any) -> None:
    """Though another has changed the key since, the writer learns that its own write took effect."""
    backend = open_backend(lossy.endpoint, is_host=False)
    store = backend.store("p")
    direct = open_backend(f"127.0.0.1:{lossy.target[1]}", is_host=False).store("p")
    lossy.lose_next_answer(between=lambda: direct.set("k", b"other"))
    assert store.compare_set("k", None, b"mine") == b"mine"
    assert direct.get("k", LIMIT) == b"other"


def test_what_is_too_large_is_refused_before_it_is_sent(backend: TcpBackend) -> None:
    """A value, or both of a compare-and-set, over 8 MiB are a ValueError; so is a key that is not text."""
    store = backend.store("p")
    large = bytes(MAX_STATE_BYTES)
    store.set("k", large)
    assert store.get("k", LIMIT) == large
    with pytest.raises(ValueError, match="at most 8388608"):
        store.set("k", large + b"x")
    with pytest.raises(ValueError, match="together"):
        store.compare_set("k", large, b"x")
    with pytest.raises(ValueError, match="surrogate"):
        store.set("\ud800", b"")
    assert store.num_keys() == 1


def test_one_key_is_no_list_of_keys_and_text_no_value(backend: TcpBackend) -> None:
    """A text is not taken letter by letter; the error of a value names its key and the way out."""
    store: Any = backend.store("round")
    for call in (store.check, store.wait, store.multi_get):
        with pytest.raises(TypeError, match=re.escape("use ['key']")):
            call("key")
    with pytest.raises(TypeError, match=re.escape("the value of key 'key' has to be bytes, not 'text' (str)")):
        store.set("key", "text")
    assert store.num_keys() == 0


def test_many_large_values_go_in_pieces(backend: TcpBackend) -> None:
    """More than one frame can carry is set and read with one call each."""
    store = backend.store("p")
    values = {f"k{number}": bytes([number]) * 3_000_000 for number in range(5)}
    store.multi_set(values)
    assert store.multi_get(values, LIMIT) == list(values.values())
    store.multi_set({})
    assert store.multi_get([]) == []


def test_a_closed_backend_has_no_store(backend: TcpBackend, server: TcpServer) -> None:
    """The store closes with its backend, and none is given after."""
    store = backend.store("p")
    backend.close()
    with pytest.raises(RendezvousConnectionError, match="closed"):
        store.num_keys()
    with pytest.raises(RendezvousConnectionError, match="closed"):
        backend.store("p")


def test_what_waits_on_a_connection_holds_a_bounded_amount_of_memory(
    server: TcpServer, open_backend: Callable[..., TcpBackend]
) -> None:
    """A peer that waits for too many keys at once is disconnected, and what it waited for is forgotten."""
    with socket.create_connection(("127.0.0.1", server.endpoint.port), timeout=LIMIT) as peer:
        peer.sendall(frame(1, encode(Hello(PROTOCOL))))
        keys = ["k" * 1000] * 6000
        received = b""
        for number in range(2, 5):
            peer.sendall(frame(number, encode(StoreGet("r", "p", keys, 600.0, True))))
        while data := peer.recv(65536):
            received += data
    assert b"waits for more than 16777216 bytes of keys on one connection" in received
    backend = open_backend(str(server.endpoint), is_host=False)
    while probe(server).core.waiters:
        backend.get_state()


def test_a_name_that_is_too_long_is_refused_before_it_is_sent(backend: TcpBackend) -> None:
    """A store's name has at most 1,024 characters, for the server remembers it after the store itself."""
    backend.store("p" * 1024).set("k", b"v")
    with pytest.raises(ValueError, match="1025 characters: at most 1024"):
        backend.store("p" * 1025)

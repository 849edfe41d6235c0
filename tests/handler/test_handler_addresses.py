"""The address by which a node is known, and addresses that cannot be what is meant."""

from __future__ import annotations

from typing import Any

import pytest

from rdzv_core import RendezvousHandler, addresses
from rdzv_core._handler.head import Seat
from rdzv_core._handler.master import unusable_addresses
from rdzv_core._handler.operations import Assignment
from rdzv_core.addresses import default_address, is_loopback, usable_by_peers
from rdzv_core.memory import MemoryBackend


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        *[
            (host, True)
            for host in ("localhost", "LocalHost.", "localhost.localdomain", "job.localhost", "ip6-localhost")
        ],
        *[(host, True) for host in ("127.0.0.1", "127.0.1.1", "::1", "::ffff:127.0.0.1")],
        *[(host, False) for host in ("vm", "localhost.example.org", "10.0.0.1", "fd00::1", "0.0.0.0", "")],
    ],
)
def test_some_names_and_addresses_mean_each_machine_itself(host: str, loopback: bool) -> None:
    """They are told by how they are written: nothing is looked up."""
    assert is_loopback(host) == loopback


@pytest.mark.parametrize(
    ("host", "usable"),
    [
        *[(host, host) for host in ("10.0.0.1", "fd00::1", "127.0.0.1")],
        ("::ffff:10.0.0.1", "10.0.0.1"),
        *[(host, None) for host in ("fe80::1%eth0", "0.0.0.0", "::", "")],
    ],
)
def test_a_sockets_end_is_an_address_for_peers_unless_it_needs_a_scope(host: str, usable: str | None) -> None:
    """A link-local address is reached over an interface, which each machine names in its own way."""
    assert usable_by_peers(host) == usable


@pytest.mark.parametrize(
    ("name", "outgoing", "known"),
    [("vm", "10.0.0.1", "vm"), ("localhost", "10.0.0.1", "10.0.0.1"), ("localhost", None, "localhost")],
)
def test_a_host_called_localhost_is_known_by_its_outgoing_address(
    monkeypatch: pytest.MonkeyPatch, name: str, outgoing: str | None, known: str
) -> None:
    """Where the store leads to no address: a shared directory, say."""
    monkeypatch.setattr(addresses.socket, "gethostname", lambda: name)
    monkeypatch.setattr(addresses, "outgoing_address", lambda: outgoing)
    assert default_address() == known


class Networked(MemoryBackend):
    """A backend that knows by which address it reaches its store."""

    def local_address(self) -> str | None:
        return "10.0.0.9"


@pytest.mark.parametrize(("given", "known"), [(None, "10.0.0.9"), ("host1", "host1")])
def test_a_node_without_an_address_takes_the_one_that_reaches_the_store(
    nodes: Any, given: str | None, known: str
) -> None:
    """The one that was given counts, though."""
    params = nodes.params("a", 1, 1)
    params.local_addr = given
    node = RendezvousHandler(Networked.from_params(params), params)
    nodes.made.append(node)
    (info,) = nodes.meet(node)
    assert (info.master_addr, info.peers) == (known, [known])


def _held(rank: int, *told: str) -> Assignment:
    seats = tuple(Seat(f"m{number}", f"n{number}", address) for number, address in enumerate(told))
    return Assignment("e", 1, 1, rank, len(told), f"m{rank}", told[0], seats)


@pytest.mark.parametrize(
    ("rank", "told", "said"),
    [
        (0, ("127.0.0.1", "127.0.0.1"), ""),
        (0, ("vm", "vm"), ""),
        (0, ("10.0.0.1", "10.0.0.2"), ""),
        (0, ("10.0.0.1", "127.0.0.1", "localhost"), "n1 (127.0.0.1), n2 (localhost): an address that only"),
        (1, ("10.0.0.1", "10.0.0.2", "127.0.0.1"), ""),
        (1, ("localhost", "10.0.0.2"), "rank 0 is at localhost, which on this node (10.0.0.2) means this machine"),
    ],
)
def test_a_loopback_address_beside_others_is_not_what_is_meant(rank: int, told: tuple[str, ...], said: str) -> None:
    """Beside its like it may be: all nodes on one machine. Nodes on one host have the same address, too."""
    assert unusable_addresses(_held(rank, *told), told[rank]).startswith(said)
    assert bool(unusable_addresses(_held(rank, *told), told[rank])) == bool(said)


def test_a_round_with_such_an_address_is_warned_of(nodes: Any, caplog: pytest.LogCaptureFixture) -> None:
    """Once by each node that sees it, when the round has formed."""
    nodes.meet(nodes.make("localhost", 2, 2), nodes.make("vm", 2, 2))
    said = sorted(record.getMessage().removeprefix(f"run {nodes.run_id!r}, round 1: ") for record in caplog.records)
    assert [line.partition(":")[0] for line in said] == [
        "localhost (localhost)",
        "rank 0 is at localhost, which on this node (vm) means this machine",
    ]

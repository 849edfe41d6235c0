"""The envelope: what goes in comes out, and nothing else does."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rdzv_core import RendezvousStateError
from rdzv_core.envelope import NONCE_BYTES, OVERHEAD_BYTES, header, seal, seal_text, unseal, unseal_text

states = st.binary(max_size=300)


@given(states)
def test_a_sealed_state_comes_back_byte_for_byte(state: bytes) -> None:
    """seal and unseal are inverse, in bytes and in text, whatever the state."""
    nonce = bytes(range(NONCE_BYTES))
    assert (state, nonce) == unseal(seal(state, nonce))
    assert (state, nonce) == unseal_text(seal_text(state, nonce))
    assert seal_text(state).isascii()


@given(states, st.data())
def test_a_changed_byte_is_noticed(state: bytes, data: st.DataObject) -> None:
    """No change of one byte passes as another state or another nonce."""
    raw = bytearray(seal(state))
    place = data.draw(st.integers(0, len(raw) - 1))
    raw[place] ^= data.draw(st.integers(1, 255))
    with pytest.raises(RendezvousStateError):
        unseal(bytes(raw))


@given(states, st.data())
def test_a_torn_state_is_noticed(state: bytes, data: st.DataObject) -> None:
    """No beginning of a sealed state passes as a whole one, nor does one with something behind it."""
    raw = seal(state)
    with pytest.raises(RendezvousStateError):
        unseal(raw[: data.draw(st.integers(0, len(raw) - 1))])
    with pytest.raises(RendezvousStateError):
        unseal(raw + data.draw(st.binary(min_size=1, max_size=5)))


@given(st.binary(max_size=200))
def test_what_was_never_sealed_is_refused(raw: bytes) -> None:
    """Any other bytes, and any other text, are a RendezvousStateError and nothing worse."""
    with pytest.raises(RendezvousStateError):
        unseal(raw)
    with pytest.raises(RendezvousStateError):
        unseal_text(raw.decode("latin-1"))


def test_every_seal_is_a_write_of_its_own() -> None:
    """Equal states sealed twice differ in their nonce."""
    nonces = {unseal(seal(b"same"))[1] for _ in range(100)}
    assert len(nonces) == 100
    assert {NONCE_BYTES} == {len(nonce) for nonce in nonces}


def test_the_header_is_one_readable_line_of_bounded_length() -> None:
    """The state follows the first newline as it is, after at most OVERHEAD_BYTES."""
    raw = seal(b'{"a": 1}\n')
    header, _, rest = raw.partition(b"\n")
    assert rest == b'{"a": 1}\n'
    assert header.decode("ascii").split()[0] == "rdzv1"
    assert len(seal(b"x" * 10**6)) - 10**6 <= OVERHEAD_BYTES


@pytest.mark.parametrize("size", [0, 15, 17])
def test_a_nonce_of_another_length_is_refused(size: int) -> None:
    """A nonce has 16 bytes."""
    with pytest.raises(ValueError, match=f"not {size}"):
        seal(b"", bytes(size))


@given(st.lists(st.binary(max_size=50)), st.binary(min_size=NONCE_BYTES, max_size=NONCE_BYTES))
def test_a_header_and_the_parts_of_a_state_are_the_sealed_state(parts: list[bytes], nonce: bytes) -> None:
    """A store that writes them one after the other stores what `seal` makes of them together."""
    assert header(parts, nonce) + b"".join(parts) == seal(b"".join(parts), nonce)

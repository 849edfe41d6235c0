"""A roster too large for the head: as a whole, and in pages by which a node finds its own rank."""

from __future__ import annotations

import hashlib
import zlib
from base64 import b64decode, b64encode
from dataclasses import dataclass

import msgspec

from rdzv_core._decoders import decoder
from rdzv_core._errors import RendezvousStateError
from rdzv_core._handler.head import Seat, decode

SEATS_PER_PAGE = 32
_MAX_ROSTER_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True)
class PackedRoster:
    """A roster as it is stored: immutable, named by what it holds.

    `whole` has all seats, compressed. `pages` have the ranks of some 32 members each; which one has a member's follows
    from its id, so that a node reads about 1.5 kB however many nodes there are.
    """

    digest: str
    whole: bytes
    pages: tuple[bytes, ...]


def pack_roster(roster: tuple[Seat, ...]) -> PackedRoster:
    """Return a roster as it is stored."""
    packed = zlib.compress(msgspec.json.encode(roster), 6)
    pages: list[dict[str, int]] = [{} for _ in range(-(-len(roster) // SEATS_PER_PAGE))]
    for rank, seat in enumerate(roster):
        pages[page_of(seat.member, len(pages))][seat.member] = rank
    digest = hashlib.sha256(packed).hexdigest()[:32]
    return PackedRoster(digest, b64encode(packed), tuple(msgspec.json.encode(page) for page in pages))


def unpack_roster(digest: str, value: bytes) -> tuple[Seat, ...]:
    """Read the `whole` of a roster; raises `RendezvousStateError` if it is not what `digest` names."""
    try:
        packed = b64decode(value, validate=True)
        unpacker = zlib.decompressobj()
        raw = unpacker.decompress(packed, _MAX_ROSTER_BYTES)
    except (ValueError, zlib.error) as error:
        raise RendezvousStateError(f"the roster {digest} cannot be read: {error}") from error
    if hashlib.sha256(packed).hexdigest()[:32] != digest or unpacker.unconsumed_tail:
        raise RendezvousStateError(f"the roster {digest} does not match its digest")
    return decode(_seats, raw, f"the roster {digest}")


def page_of(member: str, pages: int) -> int:
    """Return in which of so many pages a member's rank is."""
    return zlib.crc32(member.encode()) % pages


def rank_in(page: bytes, member: str) -> int | None:
    """Return a member's rank by its page; None if it is not in the roster. Raises `RendezvousStateError`."""
    return decode(_page, page, "a page of the roster").get(member)


_seats, _page = decoder(tuple[Seat, ...]), decoder(dict[str, int])

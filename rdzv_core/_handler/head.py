"""The head: the small record in a run's register from which every node learns what happens.

Versioned JSON, decoded against a type: nothing that a store returns is ever trusted further than that.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Annotated, Any, Literal, TypeVar

import msgspec

from rdzv_core._decoders import decoder
from rdzv_core._errors import RendezvousStateError
from rdzv_core._handler.settings import HandlerSettings
from rdzv_core._handler.worker_ranks import WorkerCount, WorkerCounts, nodes_in

VERSION = 1
INLINE_ROSTER_BYTES = 8 * 1024
_DECODED = 16 * 1024

DepartureKind = Literal["", "left", "done"]
"""How a member announces that it departs; empty while it stays."""

T = TypeVar("T")

DepartureOutcome = Literal["left", "done", "lost"]
"""How a roster member departed: of its own accord, with its work done, or because its lease ended."""

Pending = Literal["", "WAITING", "ASKED", "LOST"]

Ranks = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]+\Z")]
"""Some ranks of a roster, as a bit mask in hexadecimal: bit r stands for rank r."""


class Seat(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """One place in a roster; its index is the rank."""

    member: str
    node: str
    address: str


class Terms(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The settings that all nodes of a run must share; times in seconds."""

    min_nodes: int
    max_nodes: int
    last_call_timeout: float
    ttl: float
    fence_delay: float

    @classmethod
    def of(cls, settings: HandlerSettings) -> Terms:
        """Take them from a node's settings."""
        return cls(
            settings.min_nodes, settings.max_nodes, settings.last_call_timeout, settings.ttl, settings.fence_delay
        )


class Head(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What the run's register holds.

    `revision` grows with every write, `round` and `fence` with every roster. `terms` are None in a new epoch until its
    first node sets them. `last_call_round` is the round whose last call is on, 0 for none, `last_call_number` the
    revision with which it began. `pending` says why the last roster's members should join again, `departed` who of them
    went, for each way to go: in a quarter of a byte for each seat, so that the head stays small however many go. The
    roster has `size` seats; it is inline, or named by `digest` if it is larger than 8 KiB: then `pages` says in how
    many pages a node finds itself, and `master` is the address of rank 0. `previous_epoch` is the epoch that an
    operator's reset ended, until the first roster. `run` is the run's id where the register's key does not tell it:
    `rdzv runs` shows it. `workers` are how many each node of the roster runs, for the job; nothing is decided by it.
    """

    epoch: str
    terms: Terms | None = None
    version: int = VERSION
    revision: int = 0
    round: int = 0
    fence: int = 0
    closed: bool = False
    last_call_round: int = 0
    last_call_number: int = 0
    pending: Pending = ""
    departed: dict[DepartureOutcome, Ranks] = {}
    incarnation: str = ""
    writer: str = ""
    size: int = 0
    roster: tuple[Seat, ...] = ()
    digest: str = ""
    pages: int = 0
    master: str = ""
    previous_epoch: str = ""
    run: str = ""
    workers: WorkerCounts = ""

    def changed(self, **fields: Any) -> Head:
        """Return the next revision with `fields` changed."""
        return msgspec.structs.replace(self, revision=self.revision + 1, **fields)

    def with_roster(self, roster: tuple[Seat, ...]) -> Head:
        """Return the head with the roster that its digest names."""
        return msgspec.structs.replace(self, roster=roster)

    def gone(self) -> dict[str, DepartureOutcome]:
        """Return who departed, by member id, and how; needs the roster."""
        ranks = ((how, int(mask, 16)) for how, mask in self.departed.items())
        return {seat.member: how for how, mask in ranks for rank, seat in enumerate(self.roster) if mask >> rank & 1}

    def masks(self, gone: Mapping[str, DepartureOutcome]) -> dict[DepartureOutcome, Ranks]:
        """Return `departed` for these member ids; one without a seat is left out. Needs the roster."""
        masks: dict[DepartureOutcome, int] = {}
        for rank, seat in enumerate(self.roster):
            if (how := gone.get(seat.member)) is not None:
                masks[how] = masks.get(how, 0) | 1 << rank
        return {how: f"{mask:x}" for how, mask in masks.items()}

    def gone_ranks(self, *, but: DepartureOutcome | None = None) -> int:
        """Return who departed, in whatever way except `but`, as a bit mask."""
        mask = 0
        for how, some in self.departed.items():
            mask |= int(some, 16) if how != but else 0
        return mask

    @property
    def finished(self) -> bool:
        """Whether the run was closed because all of its last round were done."""
        return self.closed and self.size > 0 and int(self.departed.get("done", "0"), 16).bit_count() == self.size

    def as_stored(self) -> Head:
        """Return the head as it is written: without a roster that has a value of its own."""
        return msgspec.structs.replace(self, roster=()) if self.digest else self


def encode_head(head: Head) -> bytes:
    """Return the head as JSON."""
    return msgspec.json.encode(head)


def decode_head(state: bytes) -> Head:
    """Read a head; raises `RendezvousStateError` for anything else, and for a head of another version."""
    head = decode(_head, state, "the run's register")
    if head.workers and nodes_in(head.workers) != head.size:
        raise RendezvousStateError(
            f"the run's register holds no rdzv state: it tells of the workers of {nodes_in(head.workers)} nodes "
            f"({head.workers[:60]}), and its roster has {head.size}"
        )
    if head.version != VERSION:
        raise RendezvousStateError(
            f"the run's state has version {head.version}, this rdzv-core reads {VERSION}: use one version everywhere"
        )
    return head


def reset_head(epoch: str, state: bytes | None) -> Head:
    """Return the first head of a new epoch that follows what the register held, readable or not.

    It names the epoch before, in which somebody may still work who cannot be seen any more.
    """
    if state is None:
        return Head(epoch)
    try:
        before = decode_head(state)
    except RendezvousStateError:
        return Head(epoch, previous_epoch="unreadable")
    return Head(epoch, previous_epoch=before.epoch if before.round else before.previous_epoch, run=before.run)


class RoundId(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A round of an epoch."""

    epoch: str
    round: int


class Announcement(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What a member says of itself in its membership's payload.

    `ask` is the round it wants, `at` the round it works in; `bye` how it went. A member that asks in another epoch
    than the one it last worked in names that one as `previous_epoch`: the register has lost who worked there.
    `came` is when its handler was made, in seconds since 1970 by its own clock: for people; nothing is decided by it.
    `workers` is how many processes of the job it runs; they are in the head of every roster that it is in.
    """

    node: str
    address: str
    ask: RoundId | None = None
    at: RoundId | None = None
    bye: DepartureKind = ""
    previous_epoch: str = ""
    came: int = 0
    workers: WorkerCount = 1


def encode_announcement(announcement: Announcement) -> bytes:
    """Return the announcement as JSON."""
    return msgspec.json.encode(announcement)


@lru_cache(_DECODED)  # a leader reads all members after each change, and most of them say what they said before
def decode_announcement(payload: bytes) -> Announcement | None:
    """Read a member's announcement; None for what cannot be read: such a member blocks, it is never guessed at."""
    try:
        return _announcement(payload)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def decode(read: Callable[[bytes], T], raw: bytes, what: str) -> T:
    """Read what a `decoder` reads; raises `RendezvousStateError` that names `what` it should have been."""
    try:
        return read(raw)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise RendezvousStateError(f"{what} holds no rdzv state: {error} (it starts with {raw[:60]!r})") from error


_head, _announcement = decoder(Head), decoder(Announcement)

"""Writes of a member that the suite sends out of their order."""

from __future__ import annotations

import copy

from rdzv_core import MemberLease

NO_SEQUENCE = "the backend takes no sequence number from MemberLease.next_sequence, so the suite can send no older one"


class _Asked:
    def __init__(self, number: int) -> None:
        self.times = 0
        self._number = number

    def __call__(self) -> int:
        self.times += 1
        return self._number


def numbered(lease: MemberLease, number: int) -> MemberLease:
    """Return the same membership, whose writes all have the number `number`."""
    other = copy.copy(lease)
    vars(other)["next_sequence"] = _Asked(number)
    return other


def overtaken(lease: MemberLease) -> MemberLease:
    """Return the same membership, whose writes are all older than any that was sent."""
    return numbered(lease, 1)  # the first that a lease gives: newer than the entry, older than the three writes since


def again(lease: MemberLease) -> MemberLease:
    """Return the same membership, whose writes are all the next one."""
    return numbered(lease, lease.next_sequence())


def asked(older: MemberLease) -> bool:
    """Return whether the backend has asked what `numbered` gave for its number."""
    return bool(vars(older)["next_sequence"].times)

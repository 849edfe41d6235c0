"""A node's own membership, as far as the node may rely on it."""

from __future__ import annotations

from dataclasses import dataclass

from rdzv_core._handler.rules import Rules
from rdzv_core.abc import MemberLease


@dataclass
class Lease:
    """A membership and when its last successful refresh was sent: from then it runs `ttl` seconds, not from the answer.

    `payload` is what the store is known to hold; None where a lost answer leaves that open.
    """

    member: MemberLease
    sent: float
    ttl: float
    interval: float
    payload: bytes | None

    def renewed(self, sent: float) -> None:
        """Note a success; one that was sent earlier and is answered late changes nothing."""
        self.sent = max(self.sent, sent)

    @property
    def refresh_at(self) -> float:
        """When the next refresh is due: in time for another one, even if the lease is only one interval long."""
        return self.sent + min(self.interval, self.ttl / 2)

    @property
    def fenced_at(self) -> float:
        """When this node has to stop if no refresh succeeds before."""
        return self.sent + 0.9 * self.ttl

    def fenced(self, rules: Rules, now: float) -> bool:
        """Whether it is over, as far as this node can tell."""
        return rules.is_fenced(now, self.sent, self.ttl)

    def may_write(self, rules: Rules, now: float) -> bool:
        """Whether it provably still runs."""
        return rules.may_write(now, self.sent, self.ttl)

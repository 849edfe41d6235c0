"""Writing on and on in one register, so that a process that is killed or stopped meanwhile leaves traces.

Every write adds one to a number and carries bytes that depend on it: what was acknowledged and is gone, done twice, or
there in part only, is seen in the register at the end.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from rdzv_conformance.harness.expect import fail, shown, that
from rdzv_conformance.harness.register import Register
from rdzv_core import RendezvousConnectionError

BLOCK = bytes(range(256))


@dataclass
class Writings:
    """What writers were told: tokens used up and got (as text) by acknowledged writes; writes of unknown outcome."""

    used: list[str] = field(default_factory=list)
    got: list[str] = field(default_factory=list)
    unknown: int = 0

    def take(self, answers: Iterable[dict[str, object]]) -> None:
        """Add what another process said."""
        for answer in answers:
            if answer["kind"] == "acknowledged":
                self.used.append(str(answer["used"]))
                self.got.append(str(answer["got"]))
            elif answer["kind"] == "failed":
                fail(f"in another process that wrote: {answer['message']}")
            else:
                self.unknown += 1

    def check(self, register: Register, size: int, after: str) -> None:
        """Fail the clause unless the register holds every write that was acknowledged, whole, and each won once."""
        for what, tokens in (("used up", self.used), ("given", self.got)):
            for token, times in Counter(tokens).most_common(1):
                that(times == 1, f"{after}, the token {token} was {what} {times} times: each write has its own")
        found = register.get_state()
        number = number_of(found and found.state)
        that(
            found is None or found.state == state_of(number, size),
            f"{after}, the state is {shown(found and found.state)}: it must be whole, as one write made it",
        )
        least, most = len(self.got), len(self.got) + self.unknown
        that(
            number >= least,
            f"{after}, {least} acknowledged writes made {number}: {least - number} that were acknowledged are lost",
        )
        that(number <= most, f"{after}, at most {most} writes made {number}: a write was done more than once")


def state_of(number: int, size: int) -> bytes:
    """Return the state number `number`: the number, and `size` bytes that go with it."""
    turn = number % 256
    return b"%d " % number + (BLOCK[turn:] + BLOCK[:turn]) * (size // 256)


def number_of(state: bytes | None) -> int:
    """Return the number of a state, 0 for none, -1 for what no writer has written."""
    if state is None:
        return 0
    number = state.partition(b" ")[0]
    return int(number) if number.isdigit() else -1


def write_once(register: Register, size: int, writings: Writings, limit: float | None = None) -> bool:
    """Read, then write the next state; return whether that was acknowledged. Connection errors come through."""
    found = register.get_state(limit)
    state = state_of(number_of(found and found.state) + 1, size)
    try:
        answer = register.set_state(state, found and found.token, limit)
    except RendezvousConnectionError:
        writings.unknown += 1
        raise
    if answer is None or not answer.has_set:
        return False
    writings.used.append(shown(found and found.token))
    writings.got.append(shown(answer.token))
    return True


def write_despite_the_dead(register: Register, size: int, writings: Writings) -> bool:
    """Write the next state where a client was killed: the one write that it had under way may still come in between."""
    return write_once(register, size, writings) or write_once(register, size, writings)

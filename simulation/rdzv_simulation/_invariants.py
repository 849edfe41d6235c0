"""What the simulator checks after every step, and how a life ends that breaks it."""

from __future__ import annotations

INVARIANTS = {
    "I1": "At most one roster per round: all nodes that get round r of an epoch get the same roster and fence.",
    "I2": "Ranks are 0..n-1: each node finds itself at its own rank; no member and no node is in a roster twice.",
    "I3": "No two groups of a run are at work at once.",
    "I4": "While a roster is written nobody is at work.",
    "I5": "A closed run stays closed: its head is never written again, except by an operator's reset.",
    "I6": "Within an epoch round and fence grow together and by one, the revision by each write; the terms stay.",
    "I7": "A roster has from min_nodes to max_nodes members; with fewer than max_nodes, a last call went before it.",
    "I8": "A roster that drops a member which expired at work is written no sooner than the fence delay after that.",
    "I9": "A node that begins to work has said so: its membership announces that round.",
    "I10": "A node that works or writes a roster can prove its lease: its last success was sent less than 0.9 ttl ago.",
    "I11": "An epoch begins only where there is no state, or by an operator's reset.",
    "I12": "In peace all live nodes meet, up to max_nodes, and then no further round forms.",
    "I13": "Nodes and store do not exchange messages without end: the steps of a phase are bounded.",
    "I14": "The state machine never raises; the head stays under 16 KiB.",
    "I15": "A node that left or finished, and was told that this is kept, is never counted as lost.",
    "I16": "A store that is away for less than what the lease provably covers stops nobody.",
    "I17": "A run whose members have all finished forms no further roster.",
    "I18": "A spare ends well: a finished run tells it so without an error, and a full one does not time it out.",
    "I19": "Trouble with the store ends no join before its deadline.",
    "I20": "A live member is dropped only by evict_after, and no sooner than that after it was asked to stop.",
    "I21": "A node at work is told that the store has lost its round only if the store has.",
}


class Violation(AssertionError):  # noqa: N818 - that is what it is called
    """An invariant was broken: `number` says which. The message has the seed and the whole trace."""

    def __init__(self, number: str, text: str, where: str = "", trace: tuple[str, ...] = ()) -> None:
        self.number: str = number
        self.text: str = text
        self.where: str = where
        self.trace: tuple[str, ...] = trace
        super().__init__("\n".join([f"{where}{number}: {text}", *trace]))

    def __reduce__(self) -> tuple[object, ...]:
        return Violation, (self.number, self.text, self.where, self.trace)

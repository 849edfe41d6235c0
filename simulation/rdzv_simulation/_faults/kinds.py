"""The kinds of faults, how often each is drawn, and what each is, in words."""

from __future__ import annotations

MESSAGES = ("loss", "late")
"""Faults of messages: requests and answers that are lost, or late and so out of order."""

WEIGHTS = {
    "fail": 3.0,
    "crash": 1.0,
    "freeze": 0.8,
    "freeze_leader": 0.8,
    "suspend": 0.4,
    "cut": 1.0,
    "halves": 0.6,
    "mute": 0.6,
    "slow": 0.6,
    "leave": 0.5,
    "done": 0.5,
    "join": 0.6,
    "twin": 0.4,
    "stuck": 0.4,
    "close": 0.4,
    "reset": 0.4,
    "store_down": 0.6,
    "store_restart": 0.9,
    "store_state": 0.5,
    "store_members": 0.5,
    "store_wiped": 0.25,
    "lease_early": 0.8,
    "lease_late": 0.4,
    "drift": 0.4,
    "wall_clock": 0.4,
}
"""The faults that strike at a moment, and how often each is drawn."""

FAULTS = (*MESSAGES, *WEIGHTS)

WORK_OVER = "over"
"""What is no fault: a job's work is over, and it asks for the next round. So rounds go on where no fault ends one."""

FAULT_TEXTS = {
    "loss": "a request or an answer is lost",
    "late": "a message comes up to 5 s late: out of order, or after its sender gave up",
    "pct": "an adversary puts a node's messages behind those of all others",
    "fail": "a job fails, on one node or on all at once, and asks for the next round",
    "crash": "a node is killed and restarted; a store may notice at once that its connection is gone",
    "freeze": "a process stands still for up to 12 s",
    "freeze_leader": "a leader stands still between reading and writing",
    "suspend": "a machine is suspended for up to 20 s: all its timers are over when it wakes",
    "cut": "a node is cut off from the store",
    "halves": "one half of the nodes is cut off, then the other half",
    "mute": "a node's requests arrive and the answers do not",
    "slow": "answers to a node take up to 1.4 s longer, and then perhaps its link fails",
    "leave": "a node leaves, and perhaps another process comes in its place",
    "done": "a job is done: one node after the other finishes; the last may crash as soon as it has said so",
    "join": "a node comes late",
    "twin": "a process comes with the node id of one that lives; its former self may be killed later",
    "stuck": "a job does not stop for up to 12 s when it is told to; in some lives its node is evicted for that",
    "close": "a node closes the run; an operator resets it: the run id is used again",
    "reset": "an operator resets a run that is open",
    "store_down": "the store stands still",
    "store_restart": "the store is killed and started again with its memory, up to three times in a row",
    "store_state": "the store loses the register alone",
    "store_members": "the store restarts without the memberships",
    "store_wiped": "the store restarts without any memory",
    "lease_early": "the store ends a lease early",
    "lease_late": "the store ends leases up to two ttls late",
    "drift": "a node's clock runs at another rate, within 5 % of every other",
    "wall_clock": "a node's time of day jumps by up to an hour, either way",
}

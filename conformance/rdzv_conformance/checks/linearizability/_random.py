"""Histories made up in a moment: of a register that is sound, for measuring and testing the checker."""

from __future__ import annotations

import random
from collections.abc import Hashable, Iterator

from rdzv_conformance.checks.linearizability.history import Found, Kind, Operation

KINDS: tuple[Kind, ...] = ("get", "get", "set", "set", "set", "delete", "wait")


def sound_history(size: int, clients: int, seed: int, lost: float = 0.0) -> list[Operation]:
    """Return the history of `size` calls by `clients`, each call of a client after its last was answered.

    A share `lost` of the calls is not answered; half of the writes among them took effect.
    """
    return list(_operations(size, clients, random.Random(seed), lost))


def _operations(size: int, clients: int, rng: random.Random, lost: float) -> Iterator[Operation]:
    there: Found | None = None
    known: list[Hashable] = []
    for number in range(size):
        # It takes effect at 100, 200, …: a client's turn begins and ends halfway between its last one and its next.
        effect = (number + clients) * 100
        call = effect - rng.randrange(50 * clients)
        answer = effect + rng.randrange(50 * clients)
        kind = rng.choice(KINDS)
        current = None if there is None else there.token
        newest = known[-1:] or [None]
        token = None if kind == "get" else rng.choice([*newest, *newest, *newest, None, *known[-2:-1]])
        is_lost = rng.random() < lost
        fits = kind in ("set", "delete") and not (is_lost and rng.random() < 0.5)
        state = b"%d" % number if kind == "set" else None
        done = False
        if fits and state is not None and token == current:
            there, done = Found(state, f"t{number}"), True
        elif fits and kind == "delete" and there is not None and token in (None, current):
            there, done = None, True
        elif kind == "wait":
            done = token != current
        if is_lost:
            yield Operation(f"client {number % clients}", kind, call, None, state, token)
        else:
            found = None if kind == "delete" else there
            if found is not None and found.token not in known:
                known[:] = [*known[-3:], found.token]  # nobody names a token before somebody was told it
            yield Operation(f"client {number % clients}", kind, call, answer, state, token, found, done)

"""Staying for the others: a node that hosts their store ends after them."""

from __future__ import annotations

import threading
from collections.abc import Callable

from rdzv_core._cli.node.events import OthersGone
from rdzv_core._handler import RendezvousHandler
from rdzv_core.backoff import Backoff

_LOOK = 0.2


def wait_for_others(
    handler: RendezvousHandler, why: str, over: threading.Event, say: Callable[[str], None]
) -> OthersGone:
    """Wait for all who use the store that this process hosts; if this node failed, and `why`, for other runs.

    Returns at once when `over` is set. Raises what the store raises.
    """
    told, pauses = "", Backoff(0.01, _LOOK, jitter=0)
    alone = handler.settings.max_nodes == 1  # then who is not there by now has no need of it
    while handler.hosts_store and not over.is_set():
        runs = [run for run in handler.hosted_runs() if not why or run != handler.get_run_id()]
        if not runs and (why or alone or handler.wait_until_over(0)):
            break
        users = ", ".join(map(repr, runs)) or repr(handler.get_run_id())
        pause = pauses.next()
        # Not at once: it may take a moment until this node's own membership has ended.
        if pause == _LOOK and users != told:
            told = users
            say(
                f"{why and f'{why}; '}this node hosts the store: it stays until the other nodes of "
                f"{'run' if len(runs) < 2 else 'runs'} {users} are done (SIGTERM or Ctrl-C ends it)"
            )
        over.wait(pause)
    return OthersGone()

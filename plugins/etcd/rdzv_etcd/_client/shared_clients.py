"""What the clients of this process share: for each cluster and user one gateway, login and watch."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Hashable

from rdzv_etcd._client.gateway import Gateway
from rdzv_etcd._client.joint_calls import JointCalls
from rdzv_etcd._client.shared_watch import SharedWatch


class Shared:
    """A gateway, the watch over it and the calls made jointly, for as long as a client uses them. Thread-safe.

    A forked child goes on with the gateway, whose connections it makes again, and with a watch of its own.
    """

    def __init__(self, gateway: Gateway, key: Hashable = None) -> None:
        self.gateway = gateway
        self.key = key
        self.joint: JointCalls = JointCalls()
        self.users: set[object] = set()
        self._watches: dict[int, SharedWatch] = {}

    @property
    def watch(self) -> SharedWatch:
        """The watch of this process."""
        pid = os.getpid()
        return self._watches.get(pid) or self._watches.setdefault(pid, SharedWatch(self.gateway))

    def join(self, user: object) -> None:
        """Note that `user` uses it."""
        with _lock:
            self.users.add(user)

    def leave(self, user: object) -> None:
        """Note that `user` no longer does; the last one closes it. Idempotent.

        Where others are left, it takes with it what they do not need: connections, and the stream if nobody waits.
        """
        with _lock:
            if user not in self.users:
                return
            self.users.discard(user)
            left = len(self.users)
            if not left and _shared.get(self.key) is self:
                del _shared[self.key]
        watch = self._watches.get(os.getpid())
        if left:
            if watch is not None:
                watch.rest()
            self.gateway.trim(1)  # whoever is left opens more where they need more at once
            return
        if watch is not None:
            watch.close()
        self.gateway.close()


def share(key: Hashable, make: Callable[[], Gateway], user: object) -> Shared:
    """Return what this process shares under `key`, made by `make` if there is none, and let `user` join it."""
    with _lock:
        shared = _shared.get(key)
        if shared is None:
            shared = _shared[key] = Shared(make(), key)
        shared.users.add(user)
        return shared


_shared: dict[Hashable, Shared] = {}
_lock = threading.Lock()


def _after_fork_in_child() -> None:
    global _lock, _shared
    _lock, _shared = threading.Lock(), {}


os.register_at_fork(after_in_child=_after_fork_in_child)

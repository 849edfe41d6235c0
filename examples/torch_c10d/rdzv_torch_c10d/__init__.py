"""PyTorch's C10dRendezvousBackend, unchanged: calls are forwarded, and its errors translated."""

from torch.distributed.elastic.rendezvous import api, c10d_rendezvous_backend

import rdzv_core
from rdzv_core import Option, RendezvousBackend, SupportsDelete


class TorchC10dBackend(RendezvousBackend, SupportsDelete):
    name = "torch-c10d"
    options = (Option("read_timeout", int, 60, "seconds"), Option("is_host", bool, None, "host the store"))

    def __init__(self, params):
        theirs = api.RendezvousParameters("c10d", params.endpoint, params.key, 1, 1, **params.config)
        self.theirs, self.store = _ours(c10d_rendezvous_backend.create_backend, theirs)

    def get_state(self):
        return _ours(self.theirs.get_state)

    def set_state(self, state, token=None):
        return _ours(self.theirs.set_state, state, token)

    def delete_state(self, token=None):
        there = token is None or (self.get_state() or (None, None))[1] == token
        return there and self.store.delete_key(self.theirs._key)


def _ours(call, *args):
    try:
        return call(*args)
    except api.RendezvousError as error:
        raise getattr(rdzv_core, type(error).__name__)(str(error)) from error

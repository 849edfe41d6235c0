"""Every error that rdzv raises on purpose, except `ValueError` for bad input."""

from __future__ import annotations


class RendezvousError(Exception):
    """The base of all rendezvous errors."""


class RendezvousConnectionError(RendezvousError):
    """The store could not be reached, was lost during a call, or the backend was closed.

    A write that raised this may or may not have taken effect. The library's error is chained as `__cause__`.
    """


class RendezvousConfigurationError(RendezvousConnectionError):
    """The store was reached and does not take what this node was given: credentials, a certificate, another protocol.

    Waiting does not help: code that retries a `RendezvousConnectionError` must not retry this one.
    """


class RendezvousStateError(RendezvousError):
    """What the store holds cannot be read as what was written: corrupt, torn, foreign, or of a newer version."""


class RendezvousTimeoutError(RendezvousError):
    """What was awaited did not happen in time."""


class RendezvousClosedError(RendezvousError):
    """The run is closed: no round forms in it until `rdzv reset` starts a new epoch."""


class RendezvousGracefulExitError(RendezvousError):
    """This node left or finished during a rendezvous, or the run finished while it stood by. Not a failure."""


class RendezvousRoundOverError(RendezvousError):
    """The round that this store belongs to is over, so what was awaited in it will not come: call `next_rendezvous`."""


class BackendNotFoundError(RendezvousError, ValueError):
    """No installed distribution provides a backend of that name."""


class BackendLoadError(RendezvousError):
    """A backend was found but cannot be used: its import failed, or what it names is not a backend."""


class BackendConflictError(RendezvousError):
    """Several distributions provide a backend of that name, and none was picked by `distribution:name`."""

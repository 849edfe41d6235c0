"""The one required contract: a fenced register per run."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

from rdzv_core._errors import RendezvousError

if TYPE_CHECKING:
    from rdzv_core._parameters import RendezvousParameters

CONTRACT_VERSION = 1
"""The version of `spec/contract.md` that this core speaks; a backend class states its own as `contract_version`."""

Token: TypeAlias = bytes | int | str
"""Opaque: compare two of them for equality, hand one back to the backend it came from, do nothing else with it."""


class StateSnapshot(NamedTuple):
    """What the register holds, and the fencing token of the write that put it there."""

    state: bytes
    token: Token


class SetStateResult(NamedTuple):
    """What the register holds after a `set_state`, and whether it was this call that wrote it."""

    state: bytes
    token: Token
    has_set: bool


class RendezvousBackend(ABC):
    """A compare-and-set register for one run.

    Instances are thread-safe, and a call that waits does not hold up other calls on the same instance. Every method
    raises `RendezvousConnectionError` when the store is out of reach or after `close`.

    A two-method backend derives from this, implements `name`, `get_state` and `set_state`, and keeps its value under
    `params.key` (never under `run_id` alone: `sibling` needs a key of its own for each purpose).
    """

    contract_version: int = CONTRACT_VERSION
    max_state_bytes: int = 256 * 1024
    """The largest state that `set_state` takes; a larger one is a `ValueError`. At least 256 KiB."""

    topology: Literal["process", "machine"] = "machine"
    """How far apart instances may be and still share a store: a `process` only, or a `machine` and more."""

    durable: bool = False
    """Whether what was acknowledged outlives a `kill -9` of the store and of its writers (profile `durable`).

    A backend that keeps nothing unless it is told where says so for each instance, in its constructor.
    """

    secure: bool = False
    """Whether this instance and its store authenticate each other, and encrypt what they send (profile `secure`)."""

    params: RendezvousParameters
    """The parameters from which it was made: `rdzv_core` sets them once the factory has returned, unless it did.

    An instance that was made by hand, without `create_backend`, has none unless its constructor sets them.
    """

    _factory: Callable[[RendezvousParameters], RendezvousBackend] | None = None
    """What made it, for `sibling`: set by `rdzv_core`."""

    @property
    @abstractmethod
    def name(self) -> str:
        """The name under which the backend is selected."""

    @abstractmethod
    def get_state(self) -> StateSnapshot | tuple[bytes, Token] | None:
        """Return the state and its token, or None where there is no state. Never waits for one to appear.

        Raises `RendezvousStateError` when what is stored cannot be read.
        """

    @abstractmethod
    def set_state(self, state: bytes, token: Token | None = None) -> SetStateResult | tuple[bytes, Token, bool] | None:
        """Write `state` if the register is still what `token` says: None for "nothing there", else the current token.

        Returns what the register holds afterwards. `has_set` is True only for the one caller whose write it is. Returns
        None, and writes nothing, when a token was given and there is no state. A token that is stale, foreign or
        malformed changes nothing and raises nothing.

        Raises `ValueError` when `state` is longer than `max_state_bytes` (nothing is written), `RendezvousStateError`
        when what is stored cannot be read (it is left as it is), and `RendezvousConnectionError` when the outcome is
        not known.
        """

    @property
    def hosts_store(self) -> bool:
        """Whether the store ends with this process: then it should be the last of the run to go."""
        return False

    def local_address(self) -> str | None:
        """Return the address of this host by which it reaches the store: peers that share the store reach it there.

        None if that is not known, or the store is not reached over a network: the node is then known by its host name.
        Called once, when the store is open; never blocks and raises nothing.
        """
        return None

    def endpoint_hint(self) -> str:
        """Return what to check in the endpoint if a round lacks nodes: a sentence for an error. Empty: nothing.

        For a store that only this machine reaches at its endpoint, say. Never blocks and raises nothing.
        """
        return ""

    def hosted_members(self) -> Mapping[str, Collection[bytes]]:
        """Return the members' payloads of every run in the store that this process hosts, by `register_key(run_id)`.

        A node that is done stays while there are some that have not said goodbye, so that its end does not take the
        store of another run away. Empty: it hosts none, or does not know. Never raises, also after `close`.
        """
        return {}

    def health(self) -> Mapping[str, str | int | float | bool]:
        """Return facts about the store by name, for people and for JSON; `rdzv status` shows them. May be empty.

        A name ends in its unit if there is one (`uptime_seconds`). No decision may rest on these facts.
        """
        return {}

    def close(self) -> None:  # noqa: B027 - a backend that holds nothing need not override it
        """Release everything the instance holds. Idempotent; ends other threads' blocked waits within a second."""

    def sibling(self, purpose: str) -> RendezvousBackend:
        """Return a register of the same run for another purpose; the caller closes it.

        The default calls the factory that made this instance again. A backend that can share its connection
        overrides it and uses `params.for_purpose(purpose).key`.
        """
        if self._factory is None:
            raise RendezvousError(
                f"{type(self).__name__} does not know how it was made, so it cannot make the sibling {purpose!r}: "
                "create it with rdzv_core.create_backend(params), or override sibling()"
            )
        return made_by(self._factory, self.params.for_purpose(purpose))


def made_by(
    factory: Callable[[RendezvousParameters], RendezvousBackend], params: RendezvousParameters
) -> RendezvousBackend:
    """Call a factory, and note its parameters and how to make a sibling in what it made."""
    return noted(factory(params), factory, params)


def noted(
    backend: RendezvousBackend,
    factory: Callable[[RendezvousParameters], RendezvousBackend],
    params: RendezvousParameters,
) -> RendezvousBackend:
    """Note in a backend what made it, unless that is noted already: a factory may call another one."""
    if backend._factory is None:
        backend._factory = factory
        if params_of(backend) is None:
            backend.params = params
    return backend


def params_of(backend: RendezvousBackend) -> RendezvousParameters | None:
    """Return the parameters from which a backend was made, None if it was made by hand and does not know them."""
    return getattr(backend, "params", None)

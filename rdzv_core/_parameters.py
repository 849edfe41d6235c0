"""What a job's author chooses: which store, where, which run, how many nodes."""

from __future__ import annotations

import copy
import os
from typing import Any

from rdzv_core._environment import BACKEND, ENDPOINT, RUN_ID, options_in
from rdzv_core._keys import check_run_id, register_key
from rdzv_core.options import is_secret, parse_bool, parse_int

MOST_NODES = 100_000
"""Ten times what is measured (docs/scale.md); a roster of so many stays within the 64 MiB that are read of one."""


class RendezvousParameters:
    """The parameters of a rendezvous; `config` holds every further option and may be changed before use.

    Raises `ValueError` for an empty backend name, a bad run id (empty, over 1 KiB, lone surrogate), `min_nodes` below
    1, `max_nodes` below `min_nodes` or over 100,000, and a `local_addr` with a comma, white space or unprintable
    characters (the list of peers is separated by commas). Options are checked when the backend is created, not
    here. An option that is None counts as not given.
    """

    def __init__(
        self,
        backend: str,
        endpoint: str,
        run_id: str,
        min_nodes: int,
        max_nodes: int,
        local_addr: str | None = None,
        **config: Any,
    ) -> None:
        if not isinstance(backend, str) or not backend.strip():
            raise ValueError(f"the backend name must be a non-empty string, not {backend!r}: see `rdzv backends`")
        if not isinstance(endpoint, str):
            raise ValueError(f"the endpoint must be a string, not {endpoint!r}")  # noqa: TRY004 - a bad value to a user
        _check_nodes(min_nodes, max_nodes)
        self.backend: str = backend.strip()
        self.endpoint = endpoint
        self.run_id: str = check_run_id(run_id)
        self.min_nodes = min_nodes
        self.max_nodes = max_nodes
        self.local_addr: str | None = _checked_address(local_addr)
        self.config: dict[str, Any] = {name: value for name, value in config.items() if value is not None}
        self.purpose = ""
        self._key = ""
        self.observing = False

    @classmethod
    def from_environment(
        cls, run_id: str | None = None, min_nodes: int = 1, max_nodes: int = 1, local_addr: str | None = None
    ) -> RendezvousParameters:
        """Return parameters for the store of the job that this process is part of, by default for its run.

        Read from RDZV_BACKEND, RDZV_ENDPOINT, RDZV_RUN_ID and RDZV_OPTION_…, which `rdzv run` sets for its command.
        Raises `ValueError` for one that is not set, and as the constructor does.
        """
        given = {name: os.environ.get(name, "") for name in (BACKEND, ENDPOINT)}
        given[RUN_ID] = run_id or os.environ.get(RUN_ID, "")
        if unset := [name for name, value in given.items() if not value]:
            raise ValueError(f"not set in the environment: {', '.join(unset)} (`rdzv run` sets them for its command)")
        made = cls(given[BACKEND], given[ENDPOINT], given[RUN_ID], min_nodes, max_nodes, local_addr)
        made.config.update(options_in(os.environ))
        return made

    @property
    def key(self) -> str:
        """The key under which a backend keeps its register: unlike that of any other run or purpose."""
        return self._key or register_key(self.run_id, self.purpose)

    def for_purpose(self, purpose: str) -> RendezvousParameters:
        """Return a copy whose `key` is that of another register of the same run."""
        return self._changed(purpose=purpose, _key="")

    def for_run(self, run_id: str) -> RendezvousParameters:
        """Return a copy for another run of the same store; raises `ValueError` for a bad run id."""
        return self._changed(run_id=check_run_id(run_id), _key="")

    def for_key(self, key: str) -> RendezvousParameters:
        """Return a copy whose `key` is this one, which a backend has listed: to read a run whose id is not known."""
        return self._changed(_key=key)

    def for_observer(self) -> RendezvousParameters:
        """Return a copy for an observer: a backend that sees `observing` hosts and creates nothing."""
        return self._changed(observing=True)

    def with_backend(self, backend: str, /, **config: Any) -> RendezvousParameters:
        """Return a copy that names another backend, with `config` in place of the options."""
        return self._changed(backend=backend, config=dict(config))

    def with_endpoint(self, endpoint: str) -> RendezvousParameters:
        """Return a copy that names another endpoint: a backend's resolved one, say."""
        return self._changed(endpoint=endpoint)

    def get(self, name: str, default: Any = None) -> Any:
        """Return the option as it was given, or `default`."""
        value = self.config.get(name)
        return default if value is None else value

    def get_as_bool(self, name: str, default: bool | None = None) -> bool | None:
        """Return the option as a boolean: 1/true/t/yes/y, 0/false/f/no/n in any case; else `ValueError`."""
        value = self.get(name)
        return default if value is None else parse_bool(name, value)

    def get_as_int(self, name: str, default: int | None = None) -> int | None:
        """Return the option as an integer; else `ValueError`."""
        value = self.get(name)
        return default if value is None else parse_int(name, value)

    def _changed(self, **attributes: Any) -> RendezvousParameters:
        other = copy.copy(self)
        other.config = dict(self.config)
        vars(other).update(attributes)
        return other

    def __repr__(self) -> str:
        shown = {n: "…" if is_secret(n) else v for n, v in self.config.items()}
        return (
            f"<RendezvousParameters {self.backend!r} at {self.endpoint!r} run_id={self.run_id!r} "
            f"nodes={self.min_nodes}:{self.max_nodes}{f' {shown}' if shown else ''}>"
        )


def _check_nodes(min_nodes: int, max_nodes: int) -> None:
    for name, value in (("min_nodes", min_nodes), ("max_nodes", max_nodes)):
        if not isinstance(value, int) or isinstance(value, bool):
            raise ValueError(f"{name}={value!r} must be an integer")  # noqa: TRY004 - a bad value to a user
    if min_nodes < 1:
        raise ValueError(f"min_nodes={min_nodes} must be at least 1")
    if max_nodes < min_nodes:
        raise ValueError(f"max_nodes={max_nodes} must not be below min_nodes={min_nodes}")
    if max_nodes > MOST_NODES:
        raise ValueError(f"max_nodes={max_nodes} is too many: a round has at most {MOST_NODES} nodes")


def _checked_address(address: object) -> str | None:
    if address is None or (isinstance(address, str) and address.isprintable() and not set(address) & {",", " "}):
        return address
    raise ValueError(
        f"local_addr={address!r} is not an address: give one host name or IP address, without commas or white space"
    )

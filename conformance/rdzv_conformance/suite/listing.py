"""RDZV-LIST: which registers a store holds."""

# ruff: noqa: N802 - a test's name carries its clause
from __future__ import annotations

from rdzv_conformance.contract.labels import clause
from rdzv_conformance.harness.backend_under_test import BackendUnderTest
from rdzv_conformance.harness.expect import Blamed, ClauseFailed, equal, shown, that
from rdzv_conformance.harness.register import Register
from rdzv_core import SupportsDelete, SupportsListing


class Listing:
    """What holds a state is listed, and nothing else."""

    @clause("RDZV-LIST-1")
    def test_RDZV_LIST_1_every_register_that_holds_a_state_is_listed_once(self, under_test: BackendUnderTest) -> None:
        """Of any run and purpose, by an instance whose own register holds nothing; an update adds nothing."""
        looking = under_test.open(f"{under_test.run_id}-looks")
        under_test.needs(SupportsListing, looking)
        pairs = [(f"{under_test.run_id}{tail}", purpose) for tail in _TAILS for purpose in ("", "aside")]
        keys = {}
        for run_id, purpose in pairs:
            params = under_test.parameters(run_id)
            params = params.for_purpose(purpose) if purpose else params
            register = under_test.open_with(params)
            token = register.write(b"")
            register.write(b"updated", token)
            keys[params.key] = (run_id, purpose)
        found = _listed(looking)
        for key, pair in keys.items():
            equal(f"how often list_keys() has {key!r}, the key of {shown(pair)}", found.count(key), 1)

    @clause("RDZV-LIST-2")
    def test_RDZV_LIST_2_a_register_that_holds_no_state_is_not_listed(self, under_test: BackendUnderTest) -> None:
        """One that was opened and read only, and one that was deleted."""
        register = under_test.open()
        under_test.needs(SupportsListing, register)
        key = under_test.parameters().key
        register.is_empty("of a new run")
        that(key not in _listed(register), "list_keys() has the key of a register that was never written")
        register.write(b"there")
        if key not in _listed(register):
            raise Blamed("list_keys() lacks the key of a register that holds a state", ("RDZV-LIST-1",))
        if isinstance(register.backend, SupportsDelete):
            register.delete_state()
            that(key not in _listed(register), "list_keys() has the key of a register that was deleted")


_TAILS = ("", "-2", "/a/b", ".", " x", "\0", "ü", "-CASE", "-case", "x" * 900)


def _listed(register: Register) -> list[str]:
    found = register.call("list_keys()", register.backend.list_keys)  # type: ignore[attr-defined] # it claims it
    if not isinstance(found, list) or not all(isinstance(key, str) for key in found):
        raise ClauseFailed(f"list_keys() gave {shown(found)}: it must give a list of str")
    return found

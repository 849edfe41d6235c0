"""RDZV-LIST: which registers a store holds."""

# ruff: noqa: N802 - a test's name carries its clause
from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping

from rdzv_conformance.contract.labels import clause
from rdzv_conformance.harness.backend_under_test import BackendUnderTest
from rdzv_conformance.harness.expect import Blamed, ClauseFailed, equal, shown, that
from rdzv_conformance.harness.register import Register
from rdzv_conformance.harness.threads import Running, frequent_switches
from rdzv_conformance.suite.colleague import Colleague
from rdzv_core import SupportsDelete, SupportsListing, SupportsMembership, SupportsStore, SupportsWatch, Token

MANY, WRITTEN_FOR = 300, 0.5
STAY, LISTED_FOR = 8, 0.2
SOON = 5.0
TTL = 60.0


class Listing:
    """What holds a state is listed, and nothing else."""

    @clause("RDZV-LIST-1")
    def test_RDZV_LIST_1_every_register_that_holds_a_state_is_listed_once(self, under_test: BackendUnderTest) -> None:
        """Of any run and purpose, by an instance whose own register holds nothing; an update adds nothing."""
        looking = under_test.open(f"{under_test.run_id}-looks")
        under_test.needs(SupportsListing, looking)
        pairs = [(f"{under_test.run_id}{tail}", purpose) for tail in _TAILS for purpose in ("", "aside")]
        keys: dict[str, tuple[str, str]] = {}
        written: list[tuple[Register, Token]] = []
        for run_id, purpose in pairs:
            params = under_test.parameters(run_id)
            params = params.for_purpose(purpose) if purpose else params
            written.append((register := under_test.open_with(params), register.write(b"")))
            keys[params.key] = (run_id, purpose)
        _check_listed(looking, keys, "the empty state")
        for register, token in written:
            register.write(b"updated", token)
        _check_listed(looking, keys, "the updated state")

    @clause("RDZV-LIST-1")
    def test_RDZV_LIST_1_hundreds_of_registers_are_all_listed(self, under_test: BackendUnderTest) -> None:
        """More than a page of any usual size, as far as they are written in a moment: siblings of one run."""
        looking = under_test.open()
        under_test.needs(SupportsListing, looking)
        ends = time.monotonic() + under_test.paced(WRITTEN_FOR)
        keys = {}
        for number in range(MANY):
            looking.sibling(purpose := f"many-{number}").write(b"there")
            keys[under_test.parameters().for_purpose(purpose).key] = (under_test.run_id, purpose)
            if time.monotonic() > ends:
                break
        _check_listed(looking, keys, f"{len(keys)} registers")

    @clause("RDZV-LIST-1")
    def test_RDZV_LIST_1_what_another_process_has_written_is_listed(self, under_test: BackendUnderTest) -> None:
        """And what it has deleted is not, though it was written here."""
        looking, written = under_test.open(), f"{under_test.run_id}-written"
        under_test.needs(SupportsListing, looking)
        under_test.needs_other_processes()
        keys = {under_test.parameters(run_id).key: (run_id, "") for run_id in (under_test.run_id, written)}
        token = under_test.open(written).write(b"by this one")
        with Colleague(under_test) as colleague:
            colleague.set_state(b"by another one")
            _check_listed(looking, keys, "written by this process and by another one")
            colleague.change(written, "write", b"updated by another one", token)
            _check_listed(looking, keys, "updated by another process")
            if isinstance(looking.backend, SupportsDelete):
                colleague.change(written, "delete")
                if under_test.parameters(written).key in _listed(looking):
                    raise Blamed("list_keys() has the key of a register that another process deleted", ("RDZV-LIST-2",))

    @clause("RDZV-LIST-1")
    def test_RDZV_LIST_1_a_listing_goes_on_while_registers_come_and_go(self, under_test: BackendUnderTest) -> None:
        """Others are written and deleted meanwhile: no listing raises, and each has those that stay."""
        looking, other = under_test.open(), under_test.open()
        under_test.needs(SupportsListing, looking)
        deletes = isinstance(other.backend, SupportsDelete)
        keys = {}
        for purpose in (f"stays-{number}" for number in range(STAY)):
            looking.sibling(purpose).write(b"there")
            keys[under_test.parameters().for_purpose(purpose).key] = (under_test.run_id, purpose)
        coming = [other.sibling(f"comes-{number}") for number in range(STAY if deletes else 0)]
        over = threading.Event()

        def come_and_go() -> None:
            while not over.is_set():
                for register in coming:
                    register.write(b"there")
                for register in coming:
                    register.delete_state()
                if not coming:
                    return

        with frequent_switches():
            going = Running(come_and_go)
            ends = time.monotonic() + under_test.paced(LISTED_FOR)
            try:
                while time.monotonic() < ends:
                    _check_listed(looking, keys, "registers that stay while others come and go")
            finally:
                over.set()
            limit = under_test.paced(SOON)
            going.result(limit, f"writes and deletions beside listings have not ended after {limit:.0f} s")

    @clause("RDZV-LIST-2")
    def test_RDZV_LIST_2_what_writes_no_state_lists_nothing(self, under_test: BackendUnderTest) -> None:
        """A refused write, a wait, a member, a key of a store, a deletion of nothing: each on a run without a state."""
        under_test.needs(SupportsListing, under_test.open())
        for what, deed in _without_a_state(under_test).items():
            run_id = f"{under_test.run_id}-{what}".replace(" ", "-")
            register = under_test.open(run_id)
            deed(register)
            key = under_test.parameters(run_id).key
            that(key not in _listed(register), f"list_keys() has the key of a run that saw only {what}")

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


def _check_listed(looking: Register, keys: Mapping[str, tuple[str, str]], what: str) -> None:
    found = Counter(_listed(looking))
    for key, pair in keys.items():
        equal(f"how often list_keys() has {key!r}, the key of {shown(pair)} ({what})", found[key], 1)


def _without_a_state(under_test: BackendUnderTest) -> dict[str, Callable[[Register], object]]:
    """Return what is done to a run that leaves its register without a state."""
    deeds: dict[str, Callable[[Register], object]] = {
        "a refused write": lambda register: register.set_state(b"refused", "invalid"),
        "a read of a sibling": lambda register: register.sibling("reads").get_state(),
    }
    backend = under_test.open().backend
    if isinstance(backend, SupportsWatch):
        deeds["a wait"] = lambda register: register.wait_state(None, 0.01)
    if isinstance(backend, SupportsDelete):
        deeds["a deletion"] = lambda register: register.delete_state()
        deeds["a deletion with a token"] = lambda register: register.delete_state("invalid")
    if isinstance(backend, SupportsMembership):
        deeds["a member"] = lambda register: under_test.needs(SupportsMembership, register).enter(b"there", TTL)
    if isinstance(backend, SupportsStore):
        deeds["a key"] = lambda register: under_test.needs(SupportsStore, register).store("keys").set("key", b"1")
    return deeds


def _listed(register: Register) -> list[str]:
    found = register.call("list_keys()", register.backend.list_keys)  # type: ignore[attr-defined] # it claims it
    if not isinstance(found, list) or not all(isinstance(key, str) for key in found):
        raise ClauseFailed(f"list_keys() gave {shown(found)}: it must give a list of str")
    return found

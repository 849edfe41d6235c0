"""RDZV-RUN-2 and 3, MEMBER-12, STORE-6: names that are nearly one name."""

# ruff: noqa: N802 - a test's name carries its clause
from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

from rdzv_conformance.contract.labels import clause
from rdzv_conformance.harness.backend_under_test import BackendUnderTest
from rdzv_conformance.harness.expect import ClauseFailed, equal, shown, that
from rdzv_conformance.harness.register import Register
from rdzv_conformance.harness.together import in_parts, together
from rdzv_conformance.suite.alike import BETWEEN, PURPOSES, names_alike
from rdzv_conformance.suite.hashes import of_one_short_hash
from rdzv_core import SupportsMembership, SupportsStore

C = TypeVar("C")

TTL = 60.0
SOON = 5.0
LONGEST_KEY = 512
AT_A_TIME = 3
MOST_RUN_ID = 1024


class Names:
    """A name is its code points, all of them, and nothing else."""

    @clause("RDZV-RUN-2")
    def test_RDZV_RUN_2_any_run_id_is_a_register_of_its_own(self, under_test: BackendUnderTest) -> None:
        """Run ids that a file system, a URL, a database or a library might bend are all kept apart."""
        ids = _run_ids(under_test.run_id)
        _kept_apart(under_test, "run", {run_id: _opener(under_test, run_id) for run_id in ids})

    @clause("RDZV-RUN-3")
    def test_RDZV_RUN_3_any_purpose_is_a_register_of_its_own(self, under_test: BackendUnderTest) -> None:
        """Purposes that are nearly one are kept apart as run ids are."""

        def sibling(purpose: str) -> Callable[[], Register]:
            return lambda: under_test.open().sibling(purpose)

        purposes = [*names_alike(256), *_LONG, *PURPOSES]
        own = {"": _opener(under_test, under_test.run_id)}
        _kept_apart(under_test, "purpose", {**own, **{purpose: sibling(purpose) for purpose in purposes}})

    @clause("RDZV-MEMBER-12")
    def test_RDZV_MEMBER_12_runs_that_are_nearly_named_alike_share_no_member(
        self, under_test: BackendUnderTest
    ) -> None:
        """One enters each of them: none sees another."""
        entered: dict[str, str] = {}

        def enter(run_id: str, members: SupportsMembership) -> None:
            entered[run_id] = members.enter(run_id.encode()[:4096], TTL).id

        def look(run_id: str, members: SupportsMembership) -> None:
            found = [each.id for each in members.members().members]
            equal(f"the members of run {shown(run_id)}, into which one has entered,", found, [entered[run_id]])

        _in_runs_alike(
            under_test, lambda run_id: under_test.needs(SupportsMembership, under_test.open(run_id)), enter, look
        )

    @clause("RDZV-STORE-4")
    def test_RDZV_STORE_4_runs_that_are_nearly_named_alike_share_no_key(self, under_test: BackendUnderTest) -> None:
        """One sets a key in the store of each of them: none sees another's."""
        limit = under_test.paced(SOON)

        def fill(run_id: str, backend: SupportsStore) -> None:
            backend.store("p").set("key", run_id.encode())

        def look(run_id: str, backend: SupportsStore) -> None:
            found = backend.store("p").get("key", limit)
            equal(f"the value in the store of run {shown(run_id)}", found, run_id.encode())

        _in_runs_alike(under_test, lambda each: under_test.needs(SupportsStore, under_test.open(each)), fill, look)

    @clause("RDZV-STORE-4")
    def test_RDZV_STORE_4_where_a_name_ends_and_the_next_begins_is_kept(self, under_test: BackendUnderTest) -> None:
        """Runs, prefixes and keys that put together make one text, whatever is between them, are several."""
        under_test.needs(SupportsStore, under_test.open())
        limit = under_test.paced(SOON)

        def check(number: int) -> None:
            between, run_id = BETWEEN[number], f"{under_test.run_id}-{number}"
            longer = f"{run_id}{between}x"
            names = [
                (run_id, "p", f"x{between}k"),
                (run_id, f"p{between}x", "k"),
                (longer, "p", "k"),
                (run_id, f"x{between}p", "k"),
            ]
            opened = {each: under_test.needs(SupportsStore, under_test.open(each)) for each in (run_id, longer)}
            stores = [(opened[run].store(prefix), key) for run, prefix, key in names]
            for turn, (store, key) in enumerate(stores):
                equal(f"check of the key {key!r} in {names[turn]}, which nobody has set", store.check([key]), False)
                store.set(key, b"%d" % turn)
            for turn, (store, key) in enumerate(stores):
                equal(f"the value of {names[turn]}", store.get(key, limit), b"%d" % turn)
                equal(f"num_keys() of the store of {names[turn][:2]}", store.num_keys(), 1)

        together(range(len(BETWEEN)), check, under_test.target.pace)

    @clause("RDZV-STORE-6")
    def test_RDZV_STORE_6_keys_that_are_nearly_one_are_several(self, under_test: BackendUnderTest) -> None:
        """Each has its value, is counted, and is deleted alone."""
        one, other = (under_test.needs(SupportsStore, under_test.open()).store("keys") for _ in range(2))
        keys = names_alike(LONGEST_KEY)
        half = len(keys) // 2
        one.multi_set({key: key.encode() for key in keys[:half]})
        together(in_parts(keys[half:]), lambda part: [one.set(key, key.encode()) for key in part])
        equal(f"num_keys() of {len(keys)} keys that are nearly alike", other.num_keys(), len(keys))
        limit = under_test.paced(SOON)
        for key, value in zip(keys, other.multi_get(keys, limit), strict=True):
            equal(f"the value of the key {shown(key)}", value, key.encode())
        for key in ("Ä", "é", "x ", "x" * 255 + "y"):
            equal(f"what delete_key({shown(key)}) gave", one.delete_key(key), True)
        left = [key for key in keys if key not in ("Ä", "é", "x ", "x" * 255 + "y")]
        equal("check of all keys but four that were deleted", other.check(left), True)
        equal("num_keys() after four were deleted", other.num_keys(), len(left))

    @clause("RDZV-STORE-6")
    def test_RDZV_STORE_6_prefixes_that_are_nearly_one_are_several(self, under_test: BackendUnderTest) -> None:
        """Stores of such prefixes hold each its own value of one key: three at a time, for a run has few stores."""
        under_test.needs(SupportsStore, under_test.open())
        alike = names_alike(LONGEST_KEY)
        groups = [alike[at : at + AT_A_TIME] for at in range(0, len(alike), AT_A_TIME - 1)]
        groups += [["outer", f"outer{between}inner"] for between in BETWEEN]
        limit = under_test.paced(SOON)

        def check(number: int) -> None:
            backend = under_test.needs(SupportsStore, under_test.open(f"{under_test.run_id}-{number}"))
            stores = {prefix: backend.store(prefix) for prefix in groups[number]}
            for prefix, store in stores.items():
                store.set("key", prefix.encode())
            for prefix, store in stores.items():
                equal(f"the value in the store {shown(prefix)}", store.get("key", limit), prefix.encode())
                equal(f"num_keys() of the store {shown(prefix)}", store.num_keys(), 1)

        together(range(len(groups)), check, under_test.target.pace)


_LONG = ["x" * length + end for length in (500, 1023, 2000) for end in "yz"]


def _in_runs_alike(under_test: BackendUnderTest, opened: Callable[[str], C], *turns: Callable[[str, C], None]) -> None:
    """Do each turn in all runs that are nearly named alike, by an instance of its own, before the next turn."""
    opened(under_test.run_id)
    ids = [f"{under_test.run_id}{name}" for name in names_alike(256)]
    for turn in turns:

        def take(part: list[str], turn: Callable[[str, C], None] = turn) -> None:
            for run_id in part:
                turn(run_id, opened(run_id))

        together(in_parts(ids), take, under_test.target.pace)


def _opener(under_test: BackendUnderTest, run_id: str) -> Callable[[], Register]:
    return lambda: under_test.open(run_id)


def _kept_apart(under_test: BackendUnderTest, what: str, openers: Mapping[str, Callable[[], Register]]) -> None:
    """Write in all of them, each from a thread that made it, then look at all.

    The states are plain: what a backend does to the bytes of a state is not blamed on its names.
    """
    opened: dict[str, tuple[Register, object]] = {}
    states = {name: b"the state of name %d" % number for number, name in enumerate(openers)}

    def write(part: list[str]) -> None:
        for name in part:
            register = openers[name]()
            shares = f"of {what} {shown(name)}, which nobody has written: does another {what} share its key?"
            register.is_empty(shares)
            answer = register.set_state(states[name])
            that(answer is not None and answer.has_set, f"there is a state {shares} ({shown(answer)})")
            opened[name] = (register, answer and answer.token)

    def look(part: list[str]) -> None:
        for name in part:
            register, token = opened[name]
            found = register.get_state()
            if found is None:
                raise ClauseFailed(f"get_state() gave None of {what} {shown(name)}, which was written")
            equal(f"the state of {what} {shown(name)}", found.state, states[name])
            equal(f"the token of {what} {shown(name)}", found.token, token)

    parts = in_parts([*openers])
    together(parts, write, under_test.target.pace)
    together(parts, look, under_test.target.pace)


def _run_ids(tag: str) -> list[str]:
    tails = ["", *names_alike(MOST_RUN_ID - len(tag))]
    long = [tag + "x" * (1024 - len(tag)), tag + "x" * (1023 - len(tag)), tag + "x" * (1023 - len(tag)) + "y"]
    heads = [f"/{tag}", f"../{tag}", f" {tag}", f".{tag}", f"-{tag}", f"🚀{tag}", "🚀" * 200 + tag, tag.upper()]
    return [*dict.fromkeys([*(tag + tail for tail in tails), *long, *heads, *of_one_short_hash(tag)])]

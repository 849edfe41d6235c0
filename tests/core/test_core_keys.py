"""Keys: no two runs or purposes meet on one."""

from __future__ import annotations

import itertools
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rdzv_core import register_key

run_ids = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40)
purposes = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)

NASTY = [
    "job",
    "job.0",
    "job.0/MASTER_ADDR",
    "job/",
    "/job",
    "Job",
    "job ",
    "job\0",
    ".",
    "..",
    "_",
    "-",
    "1:a",
    "jöb",
    "jo\u0308b",
]


def test_E10_no_run_meets_a_key_of_another() -> None:
    """E10: run `job.0/MASTER_ADDR` is not a key of run `job.0`, nor do other such pairs meet."""
    pairs = list(itertools.product(NASTY, ["", *NASTY]))
    keys = {register_key(run_id, purpose).lower() for run_id, purpose in pairs}
    assert len(pairs) == len(keys)


def test_E10_a_run_named_like_a_key_does_not_meet_it() -> None:
    """E10: a run whose id is spelled like another's key has a key of its own."""
    key = register_key("job", "store")
    assert key not in {register_key(key), register_key("job"), register_key("job.store"), register_key(key, "store")}


@given(run_ids, purposes, run_ids, purposes)
def test_E10_keys_are_equal_only_for_equal_pairs(a: str, b: str, c: str, d: str) -> None:
    """E10: register_key is injective, also where a store ignores case."""
    assert ((a, b) == (c, d)) == (register_key(a, b).lower() == register_key(c, d).lower())


@given(run_ids, purposes)
def test_a_key_fits_a_file_name_a_path_segment_and_a_column(run_id: str, purpose: str) -> None:
    """A key is short, plain ASCII, and starts with neither dot nor dash."""
    assert re.fullmatch(r"rdzv\.[A-Za-z0-9_.-]{1,91}", register_key(run_id, purpose))


@pytest.mark.parametrize("run_id", ["", "x" * 1025, "\udc80"])
def test_a_run_id_without_a_key_is_refused(run_id: str) -> None:
    """What no store can keep has no key."""
    with pytest.raises(ValueError, match="run_id"):
        register_key(run_id)

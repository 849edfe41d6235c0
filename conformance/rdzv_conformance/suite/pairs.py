"""Two instances on the same, for the tests in which one sees what the other does, and what is seen of members."""

from __future__ import annotations

from rdzv_conformance.harness.backend_under_test import BackendUnderTest
from rdzv_core import MembersView, Store, SupportsMembership, SupportsStore


def two_members(under_test: BackendUnderTest) -> tuple[SupportsMembership, SupportsMembership]:
    """Return two instances of one run, if the backend claims memberships."""
    one, other = (under_test.needs(SupportsMembership, under_test.open()) for _ in range(2))
    return one, other


def two_stores(under_test: BackendUnderTest, name: str) -> tuple[Store, Store]:
    """Return the store of a name, of two instances, if the backend claims stores."""
    one, other = (under_test.needs(SupportsStore, under_test.open()).store(name) for _ in range(2))
    return one, other


def seen(view: MembersView) -> list[tuple[str, bytes]]:
    """Return the members' ids and payloads, in their order."""
    return [(each.id, each.payload) for each in view.members]

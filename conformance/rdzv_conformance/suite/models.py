"""All calls of a register, a membership and a store against the plain models in `checks.models`."""

# ruff: noqa: N802 - a test's name carries its clause
from __future__ import annotations

from rdzv_conformance.checks import models
from rdzv_conformance.contract.labels import clause
from rdzv_conformance.harness.backend_under_test import BackendUnderTest
from rdzv_core import SupportsMembership, SupportsStore


class Models:
    """Whatever is called, in whatever order: the answers are those of a model of a few lines."""

    @clause("RDZV-CAS-1", *(f"RDZV-CAS-{number}" for number in (2, 3, 4, 5, 6, 7)))
    def test_RDZV_CAS_1_a_register_is_as_its_model(self, under_test: BackendUnderTest) -> None:
        """Two instances read, write, delete and wait at random, one call after the other."""
        models.hold_against(models.RegisterModel, under_test)

    @clause("RDZV-MEMBER-1", "RDZV-MEMBER-2", "RDZV-MEMBER-5", "RDZV-MEMBER-6")
    def test_RDZV_MEMBER_1_a_membership_is_as_its_model(self, under_test: BackendUnderTest) -> None:
        """Members come, change and go at random, one call after the other."""
        under_test.needs(SupportsMembership, under_test.open())
        models.hold_against(models.MembershipModel, under_test)

    @clause("RDZV-STORE-1", "RDZV-STORE-3", "RDZV-STORE-5")
    def test_RDZV_STORE_1_a_store_is_as_its_model(self, under_test: BackendUnderTest) -> None:
        """Keys come, change and go at random, one call after the other."""
        under_test.needs(SupportsStore, under_test.open())
        models.hold_against(models.StoreModel, under_test)

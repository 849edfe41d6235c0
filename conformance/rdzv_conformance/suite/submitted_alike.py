"""RDZV-SUBMIT-1: what called calls do, done once more by submitted ones.

Each test here is one of another clause, on a backend that submits whatever it can. It is there for who submits one of
the methods that it is about.
"""

from __future__ import annotations

import unittest
from collections.abc import Callable
from typing import Any

from rdzv_conformance.contract.labels import clause
from rdzv_conformance.harness.backend_under_test import BackendUnderTest
from rdzv_conformance.harness.by_submit import by_submit
from rdzv_conformance.harness.expect import Blamed, Unsupported, shown_error
from rdzv_conformance.harness.submitted import Submitter
from rdzv_conformance.suite.cas import CompareAndSet
from rdzv_conformance.suite.closing import Closing
from rdzv_conformance.suite.concurrency import Concurrency
from rdzv_conformance.suite.expiry import Expiry
from rdzv_conformance.suite.extremes import Extremes
from rdzv_conformance.suite.fencing import Fencing
from rdzv_conformance.suite.holding_up import HoldingUp
from rdzv_conformance.suite.leases import Leases
from rdzv_conformance.suite.life import Life
from rdzv_conformance.suite.member_races import MemberRaces
from rdzv_conformance.suite.member_waits import MemberWaits
from rdzv_conformance.suite.membership import Membership
from rdzv_conformance.suite.outages import Outages
from rdzv_conformance.suite.overtaken import Overtaken
from rdzv_conformance.suite.prompt_ends import PromptEnds
from rdzv_conformance.suite.promptness import Promptness
from rdzv_conformance.suite.silence import Silence
from rdzv_conformance.suite.state import State
from rdzv_conformance.suite.store import KeyValueStore
from rdzv_conformance.suite.store_calls import StoreCalls
from rdzv_conformance.suite.store_edges import StoreEdges
from rdzv_conformance.suite.store_races import StoreRaces
from rdzv_conformance.suite.store_values import StoreValues
from rdzv_conformance.suite.unreachable import Unreachable
from rdzv_conformance.suite.views import Views
from rdzv_conformance.suite.watch import Watch
from rdzv_conformance.suite.within import Within
from rdzv_core import SupportsStore

Test = Callable[[Any, BackendUnderTest], None]

_LABEL = "RDZV-SUBMIT-1"
_PREFIX = "test_RDZV_"

_READS: tuple[Test, ...] = (
    State.test_RDZV_STATE_1_no_state_reads_as_none_at_once,
    State.test_RDZV_STATE_6_reading_corrupt_storage_is_a_state_error,
    State.test_RDZV_STATE_8_instances_of_one_run_see_one_register,
    Within.test_RDZV_STATE_3_no_word_means_anything,
)
_WRITES: tuple[Test, ...] = (
    State.test_RDZV_STATE_5_too_large_a_state_is_a_value_error,
    State.test_RDZV_STATE_7_corrupt_storage_is_never_overwritten,
    CompareAndSet.test_RDZV_CAS_1_without_a_token_an_absent_state_is_created,
    CompareAndSet.test_RDZV_CAS_2_without_a_token_a_present_state_is_kept,
    CompareAndSet.test_RDZV_CAS_4_a_stale_token_changes_nothing,
    CompareAndSet.test_RDZV_CAS_6_a_token_where_there_is_no_state_writes_nothing,
    CompareAndSet.test_RDZV_CAS_6_the_token_of_a_state_that_vanished_writes_nothing,
    Fencing.test_RDZV_CAS_7_a_value_that_returns_does_not_revive_its_token,
    Fencing.test_RDZV_CAS_8_the_token_of_a_deleted_state_stays_dead,
    Fencing.test_RDZV_CAS_9_of_racing_writers_of_equal_bytes_one_is_told_true,
    Fencing.test_RDZV_CAS_9_of_two_writers_of_equal_bytes_the_second_is_refused,
    Concurrency.test_RDZV_CAS_11_threads_on_one_instance_lose_no_update,
    Outages.test_RDZV_CAS_14_a_write_whose_answer_is_lost_is_never_reported_as_refused,
)
_WAITS_FOR_A_STATE: tuple[Test, ...] = (
    Watch.test_RDZV_WATCH_1_equal_bytes_are_a_change,
    Watch.test_RDZV_WATCH_2_without_a_token_a_first_state_is_awaited,
    Watch.test_RDZV_WATCH_3_deletion_is_a_change,
    Watch.test_RDZV_WATCH_3_what_was_created_again_is_another_state,
    Silence.test_RDZV_CONN_4_a_wait_on_a_silent_store_says_so,
    Watch.test_RDZV_WATCH_7_a_wait_on_corrupt_storage_says_so,
    HoldingUp.test_RDZV_WATCH_6_a_wait_for_a_state_holds_up_nothing,
)
_ENTRIES: tuple[Test, ...] = (
    Membership.test_RDZV_MEMBER_1_members_are_listed_in_entry_order,
    Membership.test_RDZV_MEMBER_4_an_ended_membership_stays_ended,
    Membership.test_RDZV_MEMBER_11_payloads_and_ttls_have_bounds,
    Membership.test_RDZV_MEMBER_12_runs_share_no_member,
    Membership.test_RDZV_MEMBER_13_a_lease_tells_who_was_there,
    MemberRaces.test_RDZV_MEMBER_1_who_comes_and_goes_at_once_undoes_nothing,
    MemberWaits.test_RDZV_MEMBER_18_a_lease_says_its_ttl,
    MemberWaits.test_RDZV_MEMBER_20_the_incarnation_stays,
    Views.test_RDZV_MEMBER_1_equal_payloads_are_several_members,
    Views.test_RDZV_MEMBER_1_of_those_who_enter_at_once_none_is_lost,
    Expiry.test_RDZV_MEMBER_13_a_member_that_has_ended_is_ahead_of_nobody,
)
_CHANGES: tuple[Test, ...] = (
    Membership.test_RDZV_MEMBER_2_update_replaces_the_payload,
    Membership.test_RDZV_MEMBER_3_who_refreshes_stays,
    Membership.test_RDZV_MEMBER_5_leave_ends_a_membership,
    Membership.test_RDZV_MEMBER_6_the_version_tells_a_change,
    Leases.test_RDZV_MEMBER_2_an_update_renews_the_lease,
    Leases.test_RDZV_MEMBER_2_nearly_the_same_payload_replaces_it,
    Leases.test_RDZV_MEMBER_5_leaving_what_has_ended_changes_nothing,
    Leases.test_RDZV_MEMBER_17_a_lease_works_on_every_instance_of_its_run,
    MemberRaces.test_RDZV_MEMBER_2_a_refresh_takes_back_no_update,
    Overtaken.test_RDZV_MEMBER_8_an_older_write_renews_nothing,
    Overtaken.test_RDZV_MEMBER_8_an_older_write_replaces_nothing,
    Overtaken.test_RDZV_MEMBER_8_a_write_that_comes_twice_is_no_older_one,
    Unreachable.test_RDZV_CONN_4_each_call_of_members_and_stores_on_a_silent_store_raises,
    Views.test_RDZV_MEMBER_12_a_lease_of_another_run_is_none,
)
_VIEWS: tuple[Test, ...] = (
    Views.test_RDZV_MEMBER_1_of_many_members_each_is_there,
    Views.test_RDZV_MEMBER_19_a_view_is_of_one_moment,
    Extremes.test_RDZV_MEMBER_18_any_timeout_and_any_count_is_taken_at_its_word,
    Expiry.test_RDZV_MEMBER_4_whatever_is_called_first_sees_that_a_member_has_ended,
    Closing.test_RDZV_LIFE_7_calls_about_a_membership_end_with_their_instance,
    Life.test_RDZV_LIFE_2_after_close_every_call_is_a_connection_error,
)
_WAITS_FOR_MEMBERS: tuple[Test, ...] = (
    Membership.test_RDZV_MEMBER_7_a_change_ends_the_wait,
    MemberWaits.test_RDZV_MEMBER_7_any_other_version_ends_the_wait_at_once,
    MemberWaits.test_RDZV_MEMBER_7_what_is_no_change_ends_no_wait,
    Promptness.test_RDZV_MEMBER_7_a_change_wakes_who_waits,
    PromptEnds.test_RDZV_MEMBER_7_the_end_of_a_lease_wakes_who_waits,
    HoldingUp.test_RDZV_MEMBER_16_a_wait_for_members_holds_up_nothing,
)
_KEYS_READ: tuple[Test, ...] = (
    StoreCalls.test_RDZV_STORE_1_keys_come_from_any_iterable,
    StoreCalls.test_RDZV_STORE_2_missing_keys_are_named_as_they_are,
    StoreCalls.test_RDZV_STORE_8_every_call_keeps_a_value_whole,
    StoreCalls.test_RDZV_STORE_13_a_wait_in_vain_ends_when_its_time_is_over,
    StoreEdges.test_RDZV_STORE_1_no_keys_and_the_same_key_twice,
    StoreEdges.test_RDZV_STORE_9_all_who_wait_are_woken,
    StoreValues.test_RDZV_STORE_2_every_missing_key_is_named_and_no_other,
    StoreValues.test_RDZV_STORE_8_a_value_is_kept_byte_for_byte,
    Extremes.test_RDZV_STORE_10_any_timeout_is_taken_at_its_word,
    Closing.test_RDZV_LIFE_7_a_store_ends_with_its_instance,
    HoldingUp.test_RDZV_STORE_7_a_wait_for_keys_holds_up_nothing,
)
_KEYS_WRITTEN: tuple[Test, ...] = (
    KeyValueStore.test_RDZV_STORE_1_it_does_as_a_map_does,
    KeyValueStore.test_RDZV_STORE_3_compare_set_sets_what_is_as_expected,
    KeyValueStore.test_RDZV_STORE_3_adding_loses_nothing,
    KeyValueStore.test_RDZV_STORE_4_prefixes_and_runs_share_no_key,
    KeyValueStore.test_RDZV_STORE_5_adding_to_what_is_no_integer_changes_nothing,
    StoreCalls.test_RDZV_STORE_3_compare_set_compares_whole_values,
    StoreCalls.test_RDZV_STORE_6_a_refused_key_is_not_set_and_nor_are_others,
    StoreRaces.test_RDZV_STORE_3_add_and_compare_set_lose_nothing_of_each_other,
    StoreRaces.test_RDZV_STORE_3_of_those_who_delete_one_is_told_so,
    StoreValues.test_RDZV_STORE_3_of_racing_compare_sets_one_wins,
    StoreValues.test_RDZV_STORE_9_whatever_sets_a_key_wakes_who_waits,
    Promptness.test_RDZV_STORE_9_a_key_wakes_who_waits,
    Extremes.test_RDZV_STORE_11_sums_are_exact,
)

_BACKENDS: dict[tuple[Test, ...], frozenset[str]] = {
    _READS: frozenset({"get_state"}),
    _WRITES: frozenset({"set_state"}),
    _WAITS_FOR_A_STATE: frozenset({"wait_state"}),
    _ENTRIES: frozenset({"enter"}),
    _CHANGES: frozenset({"update", "refresh", "leave"}),
    _VIEWS: frozenset({"members", "first", "count"}),
    _WAITS_FOR_MEMBERS: frozenset({"wait_members"}),
}
_STORES: dict[tuple[Test, ...], frozenset[str]] = {
    _KEYS_READ: frozenset({"get", "multi_get", "wait", "check", "num_keys"}),
    _KEYS_WRITTEN: frozenset({"set", "multi_set", "add", "compare_set", "delete_key"}),
}


def _submitted(test: Test, methods: frozenset[str], of_a_store: bool) -> Test:
    """Return the test that does this one by submitted calls, where one of these methods can be submitted."""

    @clause(_LABEL)
    def by_submitted_calls(_: object, under_test: BackendUnderTest) -> None:
        _needs(under_test, methods, of_a_store)
        under_test.stands_before = by_submit
        try:
            test(None, under_test)
        except unittest.SkipTest:
            raise
        except Exception as found:
            told = str(found) if isinstance(found, AssertionError) else f"it raised {shown_error(found)}"
            raise Blamed(f"by submitted calls: {told}", (_LABEL,)) from found

    by_submitted_calls.__doc__ = f"By submitted calls: {test.__doc__}"
    return by_submitted_calls


def _needs(under_test: BackendUnderTest, methods: frozenset[str], of_a_store: bool) -> None:
    register = under_test.open()
    target: object = register.backend
    if of_a_store:
        if not isinstance(register.backend, SupportsStore):
            raise Unsupported("the backend does not claim SupportsStore")
        target = register.call("store('submitted')", register.backend.store, "submitted")
    Submitter(under_test, target, *sorted(methods))


class SubmittedAlike:
    """Whatever a call does, it does when it is submitted."""


def _name(test: Test) -> str:
    return f"test_{_LABEL.replace('-', '_')}_by_submitted_calls_{test.__name__.removeprefix(_PREFIX)}"


for _kinds, _of_a_store in ((_BACKENDS, False), (_STORES, True)):
    for _tests, _methods in _kinds.items():
        for _test in _tests:
            setattr(SubmittedAlike, _name(_test), _submitted(_test, _methods, _of_a_store))

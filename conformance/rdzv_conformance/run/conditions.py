"""Under which topologies and faults a backend was tried: a certificate speaks for those and for no others."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from rdzv_conformance.run.results import ClauseResult, Condition

_TOPOLOGIES = {
    "CAS_11_threads_on_one_instance_lose_no_update": "threads on one instance",
    "CAS_12_instances_in_one_process_lose_no_update": "instances in one process",
    "CAS_13_processes_lose_no_update": "processes on one machine",
}
_FAULTS = {
    "STATE_7_corrupt_storage_is_never_overwritten": "storage corrupted behind the backend's back",
    "CAS_8_the_token_of_a_deleted_state_stays_dead": "a register deleted and created again",
    "CONN_1_an_unreachable_store_is_a_connection_error_in_time": "a store that is not there",
    "CONN_4_a_silent_store_is_a_connection_error_in_time": "a store that stops answering",
    "CAS_14_a_write_whose_answer_is_lost_is_never_reported_as_refused": "the answer to a write lost",
    "CONN_5_an_instance_works_again_after_a_cut": "a connection cut",
    "CONN_5_an_instance_works_again_on_a_half_open_connection": "a connection half open",
    "CONN_9_a_request_cut_within_is_done_whole_or_not_at_all": "a request cut within",
    "CONN_9_an_answer_cut_within_is_not_taken_for_a_whole_one": "an answer cut within",
    "CONN_9_a_late_answer_is_not_taken_for_the_next_calls": "an answer that comes late",
    "CONN_9_an_answer_in_pieces_is_put_together": "an answer in pieces",
    "CONN_5_an_instance_works_again_after_a_restart": "the store stopped and started again",
    "CONN_6_a_fork_neither_hangs_nor_disturbs_its_parent": "a fork with an open instance",
    "CONN_7_a_killed_client_holds_up_nobody": "a client killed in the middle of a call",
    "CONN_8_a_stopped_client_undoes_nothing_when_it_goes_on": "a client stopped in the middle of a call",
    "LIFE_3_close_ends_a_call_on_a_silent_store": "an instance closed while its store is silent",
    "MEMBER_4_an_ended_membership_stays_ended": "a member that falls silent",
    "MEMBER_9_a_store_that_lost_the_members_has_a_new_incarnation": "a store that lost its memberships",
    "MEMBER_10_after_a_stall_everybody_has_a_fresh_ttl": "an observer or server that was stalled",
    "DURABLE_1_a_killed_store_loses_nothing_acknowledged": "kill -9 of the store",
    "DURABLE_1_a_killed_writer_loses_nothing_acknowledged": "kill -9 of a writer",
    "SECURE_1_a_peer_without_the_credentials_is_refused": "a peer without the credentials",
    "SECURE_2_plain_text_and_another_authority_are_refused": "plain text, and another authority, against TLS",
}


def conditions(clauses: Iterable[ClauseResult]) -> tuple[Condition, ...]:
    """Read from what the tests found what the backend was tried under; a test that was not run is left out."""
    # What a test says about the clause in its name, not what it left behind, which is told under another.
    found = {
        test.test: (each.clause, test.status)
        for each in clauses
        for test in each.tests
        if test.test.startswith(f"test_{each.clause.replace('-', '_')}_")
    }
    tables: tuple[tuple[Literal["topology", "fault"], dict[str, str]], ...] = (
        ("topology", _TOPOLOGIES),
        ("fault", _FAULTS),
    )
    return tuple(
        Condition(kind, what, *found[test])
        for kind, table in tables
        for test, what in ((f"test_RDZV_{name}", what) for name, what in table.items())
        if test in found
    )


def conditions_rest_on() -> list[str]:
    """Return the names of the tests that conditions are read from."""
    return [f"test_RDZV_{name}" for name in (*_TOPOLOGIES, *_FAULTS)]

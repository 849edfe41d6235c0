"""The list of all mutants, and of the sound backends that they are made of."""

from __future__ import annotations

from functools import cache

from rdzv_conformance.mutants import (
    _among,
    _apart,
    _beside,
    _caches,
    _closing,
    _closing_shared,
    _content_parts,
    _contents,
    _contents_kept,
    _cut_answers,
    _disclosure,
    _ends,
    _expiry,
    _extremes,
    _forked_calls,
    _forks,
    _forks_further,
    _holding,
    _kept,
    _kept_further,
    _kept_members,
    _kept_odd,
    _kept_runs,
    _kept_stores,
    _lasting,
    _late_answers,
    _leases,
    _life,
    _listing,
    _listing_far,
    _long_waits,
    _looks,
    _member_odds,
    _member_processes,
    _member_races,
    _member_waits,
    _members,
    _memory,
    _names,
    _names_escaped,
    _names_of_scripts,
    _nearly,
    _network,
    _odd,
    _options,
    _overheard,
    _packaging,
    _remote,
    _remote_members,
    _remote_stores,
    _secrets,
    _secrets_near,
    _secrets_parsed,
    _secrets_shown,
    _secrets_taken,
    _siblings,
    _silence,
    _stale,
    _states,
    _store_answers,
    _store_calls,
    _store_edges,
    _store_joins,
    _store_odds,
    _store_races,
    _store_times,
    _store_undone,
    _store_values,
    _stores,
    _strangers,
    _submit,
    _submit_alike,
    _submit_values,
    _submit_waits,
    _submits_all,
    _token_sources,
    _tokens,
    _unheard,
    _unique,
    _unreachable,
    _unrelated,
    _views,
    _wait_times,
    _waits,
    _wake_ups,
    _within,
)
from rdzv_conformance.mutants._mutant import Mutant
from rdzv_conformance.mutants._settings import remotely
from rdzv_core import register_backend

MODULES = (
    *(
        _states,
        _lasting,
        _contents,
        _contents_kept,
        _content_parts,
        _within,
        _caches,
        _names,
        _names_escaped,
        _names_of_scripts,
        _tokens,
        _unique,
        _token_sources,
        _apart,
        _life,
        _closing,
        _closing_shared,
        _options,
        _siblings,
        _packaging,
        _submit,
        _submit_alike,
        _submit_waits,
        _submit_values,
        _among,
        _listing,
        _listing_far,
    ),
    *(
        _network,
        _cut_answers,
        _late_answers,
        _forks,
        _odd,
        _waits,
        _wait_times,
        _long_waits,
        _unrelated,
        _wake_ups,
        _looks,
        _unheard,
        _holding,
        _members,
        _leases,
        _expiry,
        _extremes,
        _views,
        _member_waits,
        _member_odds,
        _member_processes,
        _member_races,
        _ends,
        _nearly,
        _beside,
        _remote_members,
        _stores,
        _store_values,
        _store_edges,
        _store_odds,
        _silence,
        _unreachable,
        _stale,
        _forks_further,
        _forked_calls,
        _kept,
        _kept_odd,
        _store_calls,
        _store_times,
        _store_races,
        _store_undone,
        _store_answers,
        _store_joins,
        _kept_members,
        _kept_runs,
        _kept_stores,
        _kept_further,
        _secrets,
        _secrets_near,
        _secrets_parsed,
        _secrets_shown,
        _secrets_taken,
        _disclosure,
        _overheard,
        _strangers,
    ),
)
"""Where the mutants are, by the sections of the contract."""


def rest_of_baseline() -> frozenset[str]:
    """Return the clauses that fail for whatever is registered in code: it has no entry point."""
    return frozenset({"RDZV-PKG-1"})


@cache
def mutants() -> dict[str, Mutant]:
    """Return every mutant by its name."""
    found = [mutant for module in MODULES for mutant in module.MUTANTS]
    by_name = {mutant.name: mutant for mutant in found}
    if len(by_name) != len(found):
        twice = sorted({mutant.name for mutant in found if by_name[mutant.name] is not mutant})
        raise ValueError(f"two mutants have one name: {', '.join(twice)}")
    return by_name


@cache
def references() -> dict[str, Mutant]:
    """Return the backends on which the mutants are made: what `breaks` names there are the clauses that they pass."""
    core = ("RDZV-STATE-1",)
    return {
        each.name: each
        for each in (
            Mutant(
                "sound-memory",
                "It is sound.",
                (*core, "RDZV-LIST-1", "RDZV-LIST-2", "RDZV-WATCH-1", "RDZV-MEMBER-1", "RDZV-STORE-1"),
                "",
                _memory.sound_memory,
            ),
            Mutant(
                "sound-and-slow",
                "It is sound, and takes 150 ms for every call.",
                (*core, "RDZV-WATCH-1", "RDZV-MEMBER-1", "RDZV-STORE-1"),
                "",
                _memory.SoundAndSlow.from_params,
            ),
            Mutant("sound-remote", "It is sound.", core, "", _remote.sound_remote, setting=remotely),
            Mutant(
                "sound-submit",
                "It is sound, and all of its calls can be submitted, those of its stores too.",
                ("RDZV-SUBMIT-1", "RDZV-SUBMIT-2", "RDZV-SUBMIT-3", "RDZV-SUBMIT-4", "RDZV-SUBMIT-5"),
                "",
                _submits_all.SubmitsAll.from_params,
            ),
            Mutant(
                "sound-submit-remote",
                "It is sound, and its reads can be submitted.",
                (*core, "RDZV-SUBMIT-1", "RDZV-SUBMIT-2", "RDZV-SUBMIT-3", "RDZV-SUBMIT-4"),
                "",
                _submit.submitting_remote,
                setting=remotely,
            ),
            Mutant(
                "sound-stalling",
                "It is sound, and its store can stand still.",
                ("RDZV-MEMBER-10",),
                "",
                _memory.SoundStalling.from_params,
                setting=_memory.stalling,
            ),
            Mutant(
                "sound-kept",
                "It is sound, and durable.",
                ("RDZV-DURABLE-1",),
                "",
                _kept.sound_kept,
                setting=_kept.kept(),
            ),
            Mutant(
                "sound-kept-members",
                "It is sound, and keeps registers and members when it is killed.",
                ("RDZV-DURABLE-1", "RDZV-MEMBER-14", "RDZV-MEMBER-15"),
                "",
                _remote_members.sound_kept_members,
                setting=_remote_members.at_server(),
            ),
            Mutant(
                "sound-kept-stores",
                "It is sound, and keeps registers and the stores of rounds when it is killed.",
                ("RDZV-DURABLE-1", "RDZV-DURABLE-3", "RDZV-STORE-1"),
                "",
                _remote_stores.sound_kept_stores,
                setting=_remote_stores.with_stores(),
            ),
            Mutant(
                "sound-guarded",
                "It is sound, and secure.",
                ("RDZV-SECURE-1", "RDZV-SECURE-3", "RDZV-SECURE-4"),
                "",
                _secrets.sound_guarded,
                setting=_secrets.guarded(),
            ),
        )
    }


def install() -> None:
    """Register every mutant, and the sound backends, in this process."""
    for mutant in (*references().values(), *mutants().values()):
        register_backend(mutant.name, mutant.factory)

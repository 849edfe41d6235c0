"""A run and its store in environment variables: what `rdzv` takes from there, and tells the command that it runs."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

BACKEND, ENDPOINT, RUN_ID = "RDZV_BACKEND", "RDZV_ENDPOINT", "RDZV_RUN_ID"
EVENTS = "RDZV_EVENTS"
OPTION = "RDZV_OPTION_"
"""With the name of an option in capitals after it: one variable for each, so that a value may hold anything."""

INSIDE = "RDZV_EPOCH"
"""It is set for a command that `rdzv run` has started, and nowhere else."""

_THE_NODES_OWN = (
    "RDZV_NODES",
    "RDZV_STANDALONE",
    "RDZV_NPROC_PER_NODE",
    "RDZV_MODULE",
    "RDZV_MAX_RESTARTS",
    "RDZV_GRACE_PERIOD",
    "RDZV_STOP_SIGNAL",
    "RDZV_HEALTH_CHECK",
    "RDZV_LOG_DIR",
    "RDZV_REDIRECT",
    "RDZV_TEE",
    "RDZV_PREFIX",
    "RDZV_OPTION_NODE_ID",
    "RDZV_OPTION_WORKERS",
)
"""What says how this node takes part: a `rdzv run` within its command is another node, of another run."""

_NAMEABLE = re.compile(r"[a-z0-9_]+")


def options_in(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the options that variables give, by name; an empty variable counts as unset.

    Raises `ValueError` for two variables that differ in case alone.
    """
    found: dict[str, str] = {}
    for variable, value in environment.items():
        name = variable.removeprefix(OPTION).lower()
        if not variable.startswith(OPTION) or not name or not value:
            continue
        if name in found:
            raise ValueError(f"option {name} is given by two variables that differ in case: give {variable_of(name)}")
        found[name] = value
    return found


def variable_of(option: str) -> str:
    """Return the variable that gives an option."""
    return OPTION + option.upper()


def for_command(
    backend: str, endpoint: str, options: Mapping[str, object], environment: Mapping[str, str]
) -> dict[str, str]:
    """Return the variables with which a command of this node reaches the store; over those of `environment`.

    `options` are those of the backend, its secrets too: a process's environment is visible to its user only.
    """
    told = {variable_of(name): str(value) for name, value in options.items() if _NAMEABLE.fullmatch(name)}
    return {
        **{variable: "" for variable in _THE_NODES_OWN if environment.get(variable)},
        **_without_other_form(told, environment),
        BACKEND: backend,
        ENDPOINT: endpoint,
        **told,
    }


def _without_other_form(told: Iterable[str], environment: Mapping[str, str]) -> dict[str, str]:
    """Unset a secret of the environment that was given in its other form (`X`, `X_file`) now."""
    given = {variable.removesuffix("_FILE") for variable in told}
    return {
        variable: ""
        for variable in environment
        if variable.startswith(OPTION) and variable.upper().removesuffix("_FILE") in given
    }

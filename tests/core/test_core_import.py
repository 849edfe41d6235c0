"""What importing core brings with it."""

from __future__ import annotations

import subprocess
import sys

import pytest

UNWANTED = (
    "click",
    "rich",
    "pytest",
    "hypothesis",
    "pluggy",
    "msgspec",
    "importlib_metadata",
    "asyncio",
    "socket",
    "ssl",
    "rdzv_tcp",
    "rdzv_file",
    "rdzv_etcd",
    "rdzv_conformance",
    "rdzv_core.handler",
    "rdzv_core.memory",
    "rdzv_core.cli",
)


def modules_after(program: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", f"{program}\nimport sys\nprint(*sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return set(done.stdout.split())


def test_importing_core_imports_no_plugin_and_nothing_heavy() -> None:
    """`import rdzv_core` brings the contract and the parameters: no plugin, no CLI, no suite, no handler."""
    brought = modules_after("import rdzv_core") - modules_after("")
    assert "rdzv_core.abc" in brought
    assert not brought & set(UNWANTED)


def test_listing_backends_imports_none() -> None:
    """A look at what is installed imports no plugin."""
    after = modules_after("import rdzv_core; rdzv_core.BackendRegistry().list()")
    assert "importlib_metadata" in after
    assert not after & {"rdzv_tcp", "rdzv_file", "rdzv_etcd", "rdzv_core.memory"}


def test_an_unknown_name_of_core_is_an_attribute_error() -> None:
    """The names that are imported late do not hide that others do not exist."""
    import rdzv_core

    with pytest.raises(AttributeError, match="no_such_name"):
        _ = rdzv_core.no_such_name

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
    "rdzv_core._handler",
    "rdzv_core.memory",
    "rdzv_core._cli",
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


_EACH_ALONE = """
import importlib, pkgutil, sys, rdzv_core
names = ["rdzv_core", *(found.name for found in pkgutil.walk_packages(rdzv_core.__path__, "rdzv_core."))]
for name in names:
    for known in [known for known in sys.modules if known.partition(".")[0] == "rdzv_core"]:
        del sys.modules[known]
    try:
        importlib.import_module(name)
    except Exception as error:
        print(f"{name}: {type(error).__name__}: {error}", file=sys.stderr)
print(*names)
"""


@pytest.mark.cases  # a process for each of 150 modules
def test_every_module_of_core_can_be_imported_first() -> None:
    """In whatever order a program or a plugin imports them: no module counts on another having been before."""
    done = subprocess.run([sys.executable, "-c", _EACH_ALONE], capture_output=True, text=True, check=True, timeout=240)
    assert done.stderr == ""
    assert {"rdzv_core.hooks", "rdzv_core._handler.machine", "rdzv_core._cli.run"} <= set(done.stdout.split())


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


def test_every_public_name_of_core_is_there() -> None:
    """Also those that are imported late: each is what its module calls by that name."""
    import rdzv_core

    assert all(getattr(rdzv_core, name) is not None for name in rdzv_core.__all__)
    assert set(rdzv_core._LAZY) <= set(rdzv_core.__all__)

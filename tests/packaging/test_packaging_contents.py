"""Every wheel and sdist holds what belongs to it, and nothing else."""

from __future__ import annotations

import subprocess
import sys
import tarfile
import zipfile
from email.message import Message
from email.parser import Parser
from pathlib import Path, PurePosixPath
from typing import Any

import pytest

from release.projects import PROJECTS

ROOT = Path(__file__).resolve().parents[2]
SOURCES = {**PROJECTS, "rdzv-sqlite": ROOT / "examples" / "rdzv-sqlite"}
NAMES = [
    "rdzv-core",
    "rdzv-tcp",
    "rdzv-file",
    "rdzv-etcd",
    "rdzv-conformance",
    "rdzv-simulation",
    "rdzv-torchrun",
    "rdzv-sqlite",
]
FIRST_PARTY = NAMES[:7]
USUAL_IN_SDIST = {"pyproject.toml", "PKG-INFO", ".gitignore", "README.md", "LICENSE"}
FURTHER_IN_SDIST = {
    "rdzv-core": {*USUAL_IN_SDIST, "CHANGELOG.md", "spec", "man"},
    "rdzv-tcp": {*USUAL_IN_SDIST, "man"},
    "rdzv-conformance": {*USUAL_IN_SDIST, "hatch_build.py", "man"},
    "rdzv-simulation": {*USUAL_IN_SDIST, "man"},
}


def _wheel_files(made: Any) -> set[str]:
    with zipfile.ZipFile(made.wheel) as wheel:
        return set(wheel.namelist())


def _sdist_files(made: Any) -> set[str]:
    with tarfile.open(made.sdist) as sdist:
        return {str(PurePosixPath(*PurePosixPath(member.name).parts[1:])) for member in sdist if member.isfile()}


def _metadata(made: Any) -> Message:
    with zipfile.ZipFile(made.wheel) as wheel:
        (name,) = (each for each in wheel.namelist() if each.endswith(".dist-info/METADATA"))
        return Parser().parsestr(wheel.read(name).decode())


@pytest.mark.parametrize("name", NAMES)
def test_a_wheel_holds_its_own_package_and_no_other(name: str, built: dict[str, Any]) -> None:
    """A wheel holds one package and its metadata: no tests, no other distribution's package."""
    tops = {file.partition("/")[0] for file in _wheel_files(built[name])}
    packages = {top for top in tops if not top.endswith((".dist-info", ".data"))}
    assert packages == {built[name].package}
    assert not [file for file in _wheel_files(built[name]) if "/tests/" in file or "/test_" in file]


@pytest.mark.parametrize("name", NAMES)
def test_a_wheel_brings_the_man_pages_of_its_commands(name: str, built: dict[str, Any]) -> None:
    """They go to share/man beside the program, where `man` looks for them; nothing else leaves the package."""
    outside = {file.partition(".data/")[2] for file in _wheel_files(built[name]) if ".data/" in file}
    assert outside == {f"data/share/man/man1/{page.name}" for page in (SOURCES[name] / "man").glob("*")}


@pytest.mark.parametrize("name", NAMES)
def test_a_wheel_says_that_it_is_typed(name: str, built: dict[str, Any]) -> None:
    """RDZV-PKG-4: the package ships `py.typed`."""
    assert f"{built[name].package}/py.typed" in _wheel_files(built[name])


@pytest.mark.parametrize("name", FIRST_PARTY)
def test_a_distribution_carries_its_licence(name: str, built: dict[str, Any]) -> None:
    """The licence's text is in the wheel and in the sdist, and its name in the metadata."""
    assert any(file.endswith("LICENSE") for file in _wheel_files(built[name]))
    assert "LICENSE" in _sdist_files(built[name])
    assert _metadata(built[name])["License-Expression"] == "Apache-2.0"


@pytest.mark.parametrize("name", FIRST_PARTY)
def test_an_sdist_holds_only_what_belongs_to_it(name: str, built: dict[str, Any]) -> None:
    """The root's sdist ships no plugin, no test and no example, nor does any plugin's ship another."""
    tops = {file.partition("/")[0] for file in _sdist_files(built[name])}
    assert built[name].package in tops
    assert tops - {built[name].package} <= FURTHER_IN_SDIST.get(name, USUAL_IN_SDIST)


@pytest.mark.parametrize("name", FIRST_PARTY)
def test_an_sdist_loses_no_module(name: str, built: dict[str, Any]) -> None:
    """The package is the same in the wheel and in the sdist."""
    package = built[name].package
    in_wheel = {file for file in _wheel_files(built[name]) if file.startswith(f"{package}/")}
    in_sdist = {file for file in _sdist_files(built[name]) if file.startswith(f"{package}/")}
    assert in_wheel == in_sdist
    assert f"{package}/__init__.py" in in_wheel


def test_the_suite_ships_the_contract_page(built: dict[str, Any]) -> None:
    """The clauses that the wheel reads, built from the sdist, are spec/contract.md, byte for byte."""
    with zipfile.ZipFile(built["rdzv-conformance"].wheel) as wheel:
        shipped = wheel.read("rdzv_conformance/contract/contract.md")
    assert shipped == (ROOT / "spec" / "contract.md").read_bytes()


@pytest.mark.parametrize("name", FIRST_PARTY)
def test_the_metadata_describes_the_distribution(name: str, built: dict[str, Any]) -> None:
    """Name, summary, README and the oldest Python are in the metadata."""
    metadata = _metadata(built[name])
    assert metadata["Name"] == name
    assert metadata["Summary"]
    assert metadata["Requires-Python"] == ">=3.10"
    assert metadata["Description-Content-Type"] == "text/markdown"
    assert str(metadata.get_payload()).strip()


@pytest.mark.parametrize("name", [name for name in NAMES if name != "rdzv-core"])
def test_a_distribution_needs_core_and_no_plugin(name: str, built: dict[str, Any]) -> None:
    """The dependencies go one way: to core."""
    required = [line for line in _metadata(built[name]).get_all("Requires-Dist", []) if line.startswith("rdzv")]
    assert required, "core is not among the dependencies"
    assert all(line.startswith("rdzv-core") for line in required if "extra ==" not in line)


def test_importing_core_imports_no_plugin_and_no_tool() -> None:
    """`import rdzv_core` leaves alone the plugins, the suite, click, rich and pytest."""
    unwanted = [
        "rdzv_tcp",
        "rdzv_file",
        "rdzv_etcd",
        "rdzv_conformance",
        "rdzv_simulation",
        "rdzv_sqlite",
        "click",
        "rich",
        "pytest",
    ]
    code = f"import rdzv_core, sys; print([name for name in {unwanted} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"

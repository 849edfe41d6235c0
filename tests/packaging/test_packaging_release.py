"""All distributions have one version and state the same about themselves."""

from __future__ import annotations

from pathlib import Path

import pytest

from release.projects import PROJECTS, ROOT, stated, version
from release.verifytypes import unknown
from release.version import MODULES, renumbered, set_version

OTHERS = [name for name in PROJECTS if name != "rdzv-core"]


@pytest.mark.parametrize("name", OTHERS)
def test_all_distributions_have_one_version_and_depend_on_it(name: str) -> None:
    """A wheel of one release never works with the core of another: the plugins share private names with no promise."""
    project = stated(PROJECTS[name])
    assert project["version"] == version()
    siblings = [each for each in project["dependencies"] if each.startswith("rdzv-")]
    assert siblings
    assert [each.partition("==")[2] for each in siblings] == [version()] * len(siblings)


@pytest.mark.parametrize("name", OTHERS)
def test_all_distributions_state_the_same_about_themselves(name: str) -> None:
    """Who wrote it, where it lives, what it runs on."""
    root, project = stated(ROOT), stated(PROJECTS[name])
    for field in ("authors", "urls", "classifiers", "license", "requires-python"):
        assert project[field] == root[field], field


FILES = [*(directory / "pyproject.toml" for directory in PROJECTS.values()), *MODULES]


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_a_new_version_reaches_every_place_where_the_old_one_stood(file: Path) -> None:
    """`make version SET=…` leaves the old version nowhere."""
    text = file.read_text("utf-8")
    assert version() in text
    assert version() not in renumbered(text, version(), "9.8.7rc6")
    assert renumbered(renumbered(text, version(), "9.8.7rc6"), "9.8.7rc6", version()) == text


def test_no_other_module_states_the_version() -> None:
    """One that is not written would go on with the old one."""
    packages = [directory / name.replace("-", "_") for name, directory in PROJECTS.items()]
    stating = [file for package in packages for file in package.rglob("*.py") if version() in file.read_text("utf-8")]
    assert sorted(stating) == sorted(MODULES)


def test_what_is_no_version_is_refused_before_anything_is_written() -> None:
    """A typo changes no file."""
    before = version()
    with pytest.raises(ValueError, match=r"'0\.2\.x' is not a version: give one such as"):
        set_version("0.2.x")
    assert version() == before


SYMBOLS = [
    {"name": "rdzv_x.X", "isTypeKnown": False, "diagnostics": []},
    {"name": "rdzv_x.create", "isTypeKnown": False, "diagnostics": [{"message": "Return type is partially unknown"}]},
    {
        "name": "rdzv_x.X.size",
        "isTypeKnown": False,
        "diagnostics": [{"message": "Type is missing\n\xa0\xa0Inferred is int"}],
    },
    {"name": "rdzv_x.X.name", "isTypeKnown": True, "diagnostics": [{"message": "No docstring found"}]},
]


def test_a_type_that_is_not_stated_is_named_and_what_follows_from_it_is_not() -> None:
    """One missing annotation makes all unknown that returns it; the one is what to write."""
    assert unknown({"symbols": SYMBOLS}) == ["rdzv_x.X.size: Type is missing Inferred is int"]
    assert unknown({"symbols": SYMBOLS[:2]}) == [
        "rdzv_x.X: partially unknown",
        "rdzv_x.create: Return type is partially unknown",
    ]
    assert unknown({"symbols": SYMBOLS[3:]}) == []


def test_a_package_without_types_does_not_pass() -> None:
    """pyright finds no symbols where py.typed is missing, and none of them unknown."""
    assert "py.typed" in unknown({"symbols": []})[0]

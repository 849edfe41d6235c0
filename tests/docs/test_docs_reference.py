"""The reference is complete: every public name, option, variable, command and event is on its page."""

from __future__ import annotations

import importlib
import json
import re
from pathlib import Path

import pytest

from rdzv_core import default_registry, events
from rdzv_core._cli.group import command_line
from rdzv_core._handler.settings import HANDLER_OPTIONS
from rdzv_core.options import options_of
from tests.docs.pages import DOCS, ROOT

REFERENCE = DOCS / "reference"
CORE = sorted(path.stem for path in (ROOT / "rdzv_core").iterdir() if not path.name.startswith("_"))
MODULES = [
    "rdzv_core",
    *(f"rdzv_core.{name}" for name in CORE if name != "py"),
    "rdzv_tcp",
    "rdzv_file",
    "rdzv_etcd",
    "rdzv_conformance",
    "rdzv_simulation",
    "rdzv_torchrun",
]
VARIABLE = re.compile(r"\b(?:RDZV|TORCHELASTIC)_[A-Z_]*[A-Z]\b")


@pytest.mark.parametrize("module", MODULES)
def test_every_public_name_is_in_the_api_reference(module: str) -> None:
    """What `__all__` lists is documented: by its name, or with all of its module."""
    pages = "\n".join(page.read_text("utf-8") for page in REFERENCE.glob("api/*.md"))
    whole = re.findall(r"automodule:: ([\w.]+)", pages)
    single = set(re.findall(r"auto(?:class|function|exception|data):: (\w+)", pages))
    names = set(getattr(importlib.import_module(module), "__all__", ()))
    assert names, f"{module} has no __all__"
    if module not in whole:
        of_modules = {name for each in whole for name in importlib.import_module(each).__all__}
        assert set() == names - single - of_modules


@pytest.mark.parametrize("owner", ["handler", "tcp", "file", "etcd"])
def test_every_option_has_its_reason_on_a_page(owner: str) -> None:
    """A heading for each, in the order of the table, and prose below it."""
    page = (REFERENCE / f"options/{owner}.md").read_text("utf-8")
    table = HANDLER_OPTIONS if owner == "handler" else options_of(default_registry().load(owner))
    sections = re.split(r"^## `(\w+)`$", page, flags=re.MULTILINE)[1:]
    assert [option.name for option in table] == sections[::2]
    assert [] == [name for name, text in zip(sections[::2], sections[1::2], strict=True) if len(text.split()) < 10]


def test_every_variable_that_is_read_or_set_is_on_the_page() -> None:
    """And none that is not."""
    found = {name for path in _sources() for name in VARIABLE.findall(path.read_text("utf-8"))}
    options = {name for name in found if name.startswith("RDZV_OPTION")}
    page = (REFERENCE / "environment.md").read_text("utf-8")
    named = {name for name in VARIABLE.findall(page) if not name.startswith("RDZV_OPTION")}
    assert found - options == named


def test_every_command_is_on_the_page_with_all_its_options(monkeypatch: pytest.MonkeyPatch) -> None:
    """The page is made from the commands themselves."""
    pytest.importorskip("sphinx", reason="`make docs` installs what builds the site")
    monkeypatch.syspath_prepend(str(DOCS))
    made = importlib.import_module("_extension.commands").commands_page()
    group = command_line()
    for name in group.list_commands(None):
        command = group.get_command(None, name)
        assert f"## rdzv {name}" in made
        for param in command.params:
            spelled = [each for each in param.opts if each.startswith("--")]
            assert all(any(each in line for line in made) for each in spelled), (name, spelled)


def test_every_event_is_on_its_page_and_in_its_schema() -> None:
    """Under the name that a line of JSON has."""
    kinds = {getattr(events, name) for name in events.__all__ if isinstance(getattr(events, name), type)}
    names = {
        events.name_of(kind.__new__(kind))
        for kind in kinds
        if issubclass(kind, events.Event) and kind is not events.Event
    }
    schema = json.loads((REFERENCE / "schemas/event.schema.json").read_text("utf-8"))
    assert names == {each["title"] for each in schema["oneOf"]}
    page = (DOCS / "events.md").read_text("utf-8")
    assert set() == {name for name in names if f"`{name}`" not in page}


def _sources() -> list[Path]:
    folders = ("rdzv_core", "plugins/*/rdzv_*", "integrations/*/rdzv_*")
    return [path for folder in folders for home in ROOT.glob(folder) for path in home.rglob("*.py")]

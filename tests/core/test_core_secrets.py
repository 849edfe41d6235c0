"""A secret comes from a file as well, on every backend, and is shown nowhere."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from rdzv_core import (
    BackendRegistry,
    Option,
    RendezvousBackend,
    RendezvousParameters,
    accepts_options,
    create_backend,
    create_handler,
)
from rdzv_core.hooks import Hooks, hookimpl
from rdzv_core.memory import MemoryBackend

PIN = Option("pin", str, None, "what opens the door", secret=True)
NUMBER = Option("number", int, None, "a secret number", secret=True)
SECRET = "hunter2"


class Door(MemoryBackend):
    """Another party's backend: it knows of no files."""

    name = "door"


@pytest.fixture
def opened() -> list[RendezvousParameters]:
    """What the factory was given."""
    return []


@pytest.fixture
def registry(opened: list[RendezvousParameters]) -> BackendRegistry:
    """A registry with the backend `door`."""

    @accepts_options(PIN, NUMBER)
    def create(params: RendezvousParameters) -> RendezvousBackend:
        opened.append(params)
        return Door(params)

    made = BackendRegistry(list)
    made.register("door", create)
    return made


@pytest.fixture
def secret_file(tmp_path: Path) -> Callable[..., str]:
    """Write a file that nobody else can read."""

    def write(content: str | bytes = SECRET, mode: int = 0o600) -> str:
        file = tmp_path / "secret"
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
        file.chmod(mode)
        return str(file)

    return write


def params(**config: object) -> RendezvousParameters:
    return RendezvousParameters("door", "here", "run", 1, 1, **config)


@pytest.mark.parametrize("end", ["", "\n", "\r\n"], ids=repr)
def test_the_file_of_a_secret_is_as_good_as_the_secret(
    end: str, registry: BackendRegistry, opened: list[RendezvousParameters], secret_file: Callable[..., str]
) -> None:
    """The backend sees the secret, without the newline that an editor puts at the end, and no file."""
    asked = params(pin_file=secret_file(SECRET + end))
    create_backend(asked, registry).close()
    assert [each.config for each in opened] == [{"pin": SECRET}]
    assert "pin" not in asked.config
    with create_handler(asked, registry):
        pass


def test_spaces_and_further_newlines_belong_to_the_secret(
    registry: BackendRegistry, opened: list[RendezvousParameters], secret_file: Callable[..., str]
) -> None:
    """No two files stand for one secret but for the newline at the end; bytes that are not UTF-8 stay what they are."""
    for content in (b" a b \n\n", b"caf\xe9"):
        create_backend(params(pin_file=secret_file(content)), registry).close()
    assert [os.fsencode(each.config["pin"]) for each in opened] == [b" a b \n", b"caf\xe9"]


def test_the_secret_is_shown_nowhere(
    registry: BackendRegistry,
    opened: list[RendezvousParameters],
    secret_file: Callable[..., str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Not in the repr of what the backend is given, and not in the error about a value that will not do."""
    create_backend(params(pin_file=secret_file()), registry).close()
    assert SECRET not in repr(opened)
    with pytest.raises(ValueError, match="option number is not a value of type int") as caught:
        create_backend(params(number_file=secret_file()), registry)
    assert SECRET not in str(caught.value)
    assert not caplog.records


@pytest.mark.parametrize(
    ("content", "said"),
    [("", "the file is empty"), ("\n", "the file is empty"), ("x" * 100_000, "the file is over 64 KiB")],
    ids=["empty", "newline", "long"],
)
def test_a_file_that_can_hold_no_secret_is_refused(
    content: str, said: str, registry: BackendRegistry, secret_file: Callable[..., str]
) -> None:
    """The error names option and file."""
    path = secret_file(content)
    with pytest.raises(ValueError, match=f"option pin_file='{path}': {said}"):
        create_backend(params(pin_file=path), registry)


@pytest.mark.parametrize("path", ["/no/such/file", "/", "a\0b"])
def test_a_file_that_cannot_be_read_is_bad_input(path: str, registry: BackendRegistry) -> None:
    """A `ValueError`, before anything is created: no waiting brings it."""
    with pytest.raises(ValueError, match="option pin_file="):
        create_backend(params(pin_file=path), registry)


def test_a_secret_and_its_file_are_one_option(registry: BackendRegistry, secret_file: Callable[..., str]) -> None:
    """Both given is an error that does not show the secret."""
    with pytest.raises(ValueError, match=r"options pin and pin_file='.*' are both given") as caught:
        create_backend(params(pin="1234", pin_file=secret_file()), registry)
    assert "1234" not in str(caught.value)


def test_a_file_goes_over_a_default_of_a_plugin(
    registry: BackendRegistry, opened: list[RendezvousParameters], secret_file: Callable[..., str]
) -> None:
    """The job's author gave the option, in another form than the plugin."""

    class Plugin:
        @hookimpl
        def rdzv_parameter_defaults(self, backend: str) -> dict[str, object]:
            return {"pin": "1234"}

    hooks = Hooks(load_installed=False)
    hooks.register(Plugin())
    create_backend(params(pin_file=secret_file()), registry, hooks).close()
    assert opened[0].config == {"pin": SECRET}


def test_a_file_that_everybody_can_read_is_warned_about(
    registry: BackendRegistry, secret_file: Callable[..., str], caplog: pytest.LogCaptureFixture
) -> None:
    """It works, and the warning says what to do."""
    path = secret_file(mode=0o644)
    create_backend(params(pin_file=path), registry).close()
    (record,) = caplog.records
    assert f"chmod 600 {path}" in record.getMessage()


def test_a_backend_may_have_a_file_option_of_its_own(secret_file: Callable[..., str]) -> None:
    """Then it is the backend's to read."""
    given: list[object] = []

    @accepts_options(PIN, Option("pin_file", str, None, "the backend's own"))
    def create(params: RendezvousParameters) -> RendezvousBackend:
        given.append(params.config)
        return Door(params)

    registry = BackendRegistry(list)
    registry.register("door", create)
    create_backend(params(pin_file="where"), registry).close()
    assert given == [{"pin_file": "where"}]


def test_the_near_match_of_a_misspelt_file_is_the_file(registry: BackendRegistry) -> None:
    """Both forms are among the options that are accepted."""
    with pytest.raises(ValueError, match=r"did you mean 'pin_file'.*number, number_file, pin, pin_file"):
        BackendRegistry.create(registry, params(pin_fil="x"))

"""What is refused alike by all backends: the error names the value, and the way out."""

from __future__ import annotations

from typing import Any

import pytest

from rdzv_core import RendezvousParameters, create_backend
from rdzv_core.validation import checked_payload, checked_state, checked_value


@pytest.mark.parametrize(
    ("given", "told"), [("text", "'text' (str): encode it first, value.encode()"), (5, "5 (int): encode it first")]
)
def test_what_is_not_bytes_is_named(given: Any, told: str) -> None:
    backend = create_backend(RendezvousParameters("memory", "validation", "run", 1, 2))
    checks = {
        "a state": lambda: checked_state(backend, given),
        "a member's payload": lambda: checked_payload(given),
        "the value of key 'k'": lambda: checked_value("k", given),
    }
    for what, check in checks.items():
        with pytest.raises(TypeError) as raised:
            check()
        assert str(raised.value) == f"{what} has to be bytes, not {told}"


def test_a_buffer_is_taken_as_bytes() -> None:
    assert checked_payload(bytearray(b"x")) == b"x"
    assert type(checked_value("k", memoryview(b"x"))) is bytes

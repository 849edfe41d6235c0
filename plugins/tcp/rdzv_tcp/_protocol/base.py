"""What every message is, and the types of fields that several of them have."""

from __future__ import annotations

from typing import Annotated, Final, TypeAlias

import msgspec

NONCE_BYTES: Final = 16
MAX_NAME_CHARACTERS: Final = 1024

Nonce: TypeAlias = Annotated[bytes, msgspec.Meta(min_length=NONCE_BYTES, max_length=NONCE_BYTES)]

Name: TypeAlias = Annotated[str, msgspec.Meta(max_length=MAX_NAME_CHARACTERS)]
"""The name of something whose name the server remembers for longer than the thing itself."""


class Message(msgspec.Struct, array_like=True, gc=False):
    """A message: an array of its tag and its fields in order; a later version may append fields."""

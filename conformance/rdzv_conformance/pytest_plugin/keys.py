"""What the plugin's hooks and the pytest class share. It imports next to nothing: every pytest run loads it."""

from __future__ import annotations

import pytest

BACKEND = pytest.StashKey[str]()
"""The name of the backend that a test is about, as its class or a fixture gave it."""
FIXTURE = "under_test"
"""The fixture, and the parameter, by which a test is given the backend."""

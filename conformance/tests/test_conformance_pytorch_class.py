"""A test class as it would be written for PyTorch's mixin: its import is changed, and nothing else."""

from __future__ import annotations

from unittest import TestCase

from rdzv_conformance import RendezvousBackendTestMixin

from rdzv_core import RendezvousParameters
from rdzv_core.memory import MemoryBackend


class MemoryBackendTest(TestCase, RendezvousBackendTestMixin):
    """A1 to A8 on the backend memory."""

    def setUp(self) -> None:
        params = RendezvousParameters("memory", f"for {self.id()}", "dummy_run_id", 1, 1)
        self._backend = self._memory = MemoryBackend(params)
        self.addCleanup(self._memory.close)

    def _corrupt_state(self) -> None:
        self._memory.hub.raw[self._memory.key] = b"non_base64"

    def test_the_helper_of_that_mixin_is_there(self) -> None:
        """A test class may use `_set_state`, which never returns None."""
        state, _, has_set = self._set_state(b"x")
        self.assertEqual(b"x", state)
        self.assertTrue(has_set)

"""Behaviours A1 to A8 on every kind of endpoint."""

from __future__ import annotations

import tempfile
import unittest
from pathlib import Path

from rdzv_conformance import RendezvousBackendTestMixin
from rdzv_file import FileBackend

from rdzv_core import RendezvousParameters, create_backend


class _OnFile(RendezvousBackendTestMixin):
    def _open(self, endpoint: str) -> None:
        self._params = RendezvousParameters("file", endpoint, "dummy_run_id", 1, 2)
        backend = create_backend(self._params)
        assert isinstance(backend, FileBackend)
        self._backend = backend
        self._store = backend.raw_store

    def _corrupt_state(self) -> None:
        self._store.set(self._params.key, b"non_base64")

    def tearDown(self) -> None:
        self._backend.close()


class TestOneFile(_OnFile, unittest.TestCase):
    """A1 to A8 where the endpoint is an empty file."""

    def setUp(self) -> None:
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        file = Path(directory.name, "store")
        file.touch()
        self._open(str(file))


class TestDirectory(unittest.TestCase, _OnFile):
    """A1 to A8 where the endpoint is a directory; with the base classes the other way round."""

    def setUp(self) -> None:
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self._open(directory.name)


class TestTemporaryFile(_OnFile):
    """A1 to A8 where no endpoint is given; without unittest."""

    def setUp(self) -> None:
        self._open("")

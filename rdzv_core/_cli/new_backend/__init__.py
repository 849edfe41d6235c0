"""`rdzv new-backend`: the package of a new backend, which installs and is certified before a line of it is written."""

from rdzv_core._cli.new_backend.command import new_backend

__all__ = ["new_backend"]

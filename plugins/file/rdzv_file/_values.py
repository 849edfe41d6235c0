"""The map that a log of sets and deletions amounts to. No I/O."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote

from rdzv_file._log.format import Record


class Values:
    """The values by key; `size` is how many bytes a log that says just this has, about."""

    def __init__(self) -> None:
        self.data: dict[str, bytes] = {}
        self.size = 0

    def apply(self, record: Record) -> None:
        """Take in the next record; a kind that is not known changes nothing."""
        if record.kind == "set":
            for key, value in _unpacked(record.body).items():
                self._drop(key)
                self.data[key] = value
                self.size += len(key) + len(value)
        elif record.kind == "delete":
            self._drop(record.body.decode())

    def shortened(self, name: str) -> list[Record]:
        """Return the records of a log of the store `name` that amounts to the same."""
        return [begun(name), set_to(self.data)]

    def _drop(self, key: str) -> None:
        if key in self.data:
            self.size -= len(key) + len(self.data.pop(key))


def begun(name: str) -> Record:
    """Return what the log of a store begins with."""
    return Record("store", (quote(name, safe="")[:512],))


def set_to(items: Mapping[str, bytes]) -> Record:
    """Return the record that sets all of these at once."""
    parts = []
    for key, value in items.items():
        name = key.encode()
        parts += [b"%d %d\n" % (len(name), len(value)), name, value]
    return Record("set", (), b"".join(parts))


def deleted(key: str) -> Record:
    """Return the record of a deletion."""
    return Record("delete", (), key.encode())


def _unpacked(body: bytes) -> dict[str, bytes]:
    items, at = {}, 0
    while at < len(body):
        end = body.index(b"\n", at)
        name, size = map(int, body[at:end].split(b" "))
        begin = end + 1 + name
        items[body[end + 1 : begin].decode()] = body[begin : begin + size]
        at = begin + size
    return items

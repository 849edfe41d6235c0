"""The messages of etcd's v3 JSON gateway used here, as pure functions.

Keys and values travel in base64, 64-bit integers as decimal text, and a field that holds its zero value is left out.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

Message = dict[str, Any]


class KeyValue(NamedTuple):
    """A key's value, and the revision that wrote it (greater than 0, never used twice by one cluster)."""

    value: bytes
    revision: int


class ReadResult(NamedTuple):
    """The key's value as of the store's `revision`; None if the key does not exist."""

    found: KeyValue | None
    revision: int


class TxnResult(NamedTuple):
    """Whether the comparisons held; where they did not, the key's value."""

    succeeded: bool
    revision: int
    found: KeyValue | None


def encode(data: bytes) -> str:
    """Return `data` as the gateway writes bytes."""
    return base64.b64encode(data).decode("ascii")


def range_request(key: bytes) -> Message:
    """Return a linearizable read of one key (linearizable is etcd's default)."""
    return {"key": encode(key)}


def revision_request(key: bytes) -> Message:
    """Return a linearizable read of one key without its value."""
    return {"key": encode(key), "keys_only": True}


def keys_request(prefix: bytes) -> Message:
    """Return a read of the keys that begin with `prefix`, without values; an empty prefix means every key."""
    end = prefix.rstrip(b"\xff")
    after = end[:-1] + bytes([end[-1] + 1]) if end else b"\0"
    return {"key": encode(prefix or b"\0"), "range_end": encode(after), "keys_only": True}


def read_keys(answer: Mapping[str, Any]) -> list[bytes]:
    """Parse the answer to `keys_request`."""
    return [base64.b64decode(each["key"]) for each in answer.get("kvs", ())]


def read_status(answer: Mapping[str, Any]) -> tuple[str, str]:
    """Parse the ids of the member that answers and of its leader, in hexadecimal; "" where there is none."""
    member, leader = int(answer["header"]["member_id"]), int(answer.get("leader", 0))
    return f"{member:x}", f"{leader:x}" if leader else ""


def read_result(answer: Mapping[str, Any]) -> ReadResult:
    """Parse the answer to a range."""
    return ReadResult(_first(answer), _revision(answer))


def if_absent(key: bytes) -> list[Message]:
    """Return the comparison: the key does not exist."""
    return [{"key": encode(key), "target": "MOD", "result": "EQUAL", "mod_revision": "0"}]


def if_present(key: bytes) -> list[Message]:
    """Return the comparison: the key exists, whatever its value."""
    return [{"key": encode(key), "target": "MOD", "result": "GREATER", "mod_revision": "0"}]


def if_unchanged(key: bytes, revision: int, prefix: bytes) -> list[Message]:
    """Return the comparison: the key was last written at `revision`, and its value begins with `prefix`.

    A revision alone is not enough: a store that lost its data counts from 1 again.
    """
    compare: Message = {"key": encode(key), "target": "VALUE"}
    return [
        {"key": encode(key), "target": "MOD", "result": "EQUAL", "mod_revision": str(revision)},
        compare | {"result": "GREATER", "value": encode(prefix)},
        compare | {"result": "LESS", "value": encode(prefix + b"\xff")},
    ]


def txn_put(key: bytes, value: bytes, compare: Sequence[Message]) -> Message:
    """Return a transaction: put `value` if all of `compare` holds, else read the key."""
    put = {"request_put": {"key": encode(key), "value": encode(value)}}
    return {"compare": list(compare), "success": [put], "failure": [{"request_range": range_request(key)}]}


def txn_delete(key: bytes, compare: Sequence[Message]) -> Message:
    """Return a transaction: delete the key if all of `compare` holds, else read it."""
    delete = {"request_delete_range": {"key": encode(key)}}
    return {"compare": list(compare), "success": [delete], "failure": [{"request_range": range_request(key)}]}


def txn_result(answer: Mapping[str, Any]) -> TxnResult:
    """Parse the answer to a transaction whose failure branch is one range."""
    if answer.get("succeeded"):
        return TxnResult(True, _revision(answer), None)
    return TxnResult(False, _revision(answer), _first(answer["responses"][0]["response_range"]))


def watch_request(key: bytes, start_revision: int) -> Message:
    """Return a request to watch every change of the key from `start_revision` on."""
    return {"create_request": {"key": encode(key), "start_revision": str(start_revision)}}


def _first(answer: Mapping[str, Any]) -> KeyValue | None:
    kvs = answer.get("kvs")
    if not kvs:
        return None
    return KeyValue(base64.b64decode(kvs[0].get("value", "")), int(kvs[0]["mod_revision"]))


def _revision(answer: Mapping[str, Any]) -> int:
    return int(answer["header"]["revision"])

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
    key: bytes = b""
    lease: int = 0


class Extent(NamedTuple):
    """The newest revision among some keys (0: there are none), and how many they are.

    Two reads of one key with equal revisions found the same.
    """

    revision: int
    total: int


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


def extent_request(key: bytes, end: bytes | None = None) -> Message:
    """Return a linearizable read of the `Extent` of a key, or of all keys from it up to `end`."""
    request: Message = {"key": encode(key), "keys_only": True}
    if end is not None:
        request |= {"range_end": encode(end), "sort_target": "MOD", "sort_order": "DESCEND", "limit": "1"}
    return request


def newest_request(key: bytes, end: bytes, count: int) -> Message:
    """Return a linearizable read of the keys from `key` up to `end` that were written last, without their values."""
    return extent_request(key, end) | {"limit": str(count)}


def read_extent(answer: Mapping[str, Any]) -> Extent:
    """Parse the answer to any range: the `Extent` of what it has read."""
    return Extent(max((kv.revision for kv in read_kvs(answer)), default=0), int(answer.get("count", 0)))


def keys_request(prefix: bytes) -> Message:
    """Return a read of the keys that begin with `prefix`, without values; an empty prefix means every key."""
    return {"key": encode(prefix or b"\0"), "range_end": encode(after(prefix)), "keys_only": True}


def after(prefix: bytes) -> bytes:
    """Return the end of the range of the keys that begin with `prefix`."""
    end = prefix.rstrip(b"\xff")
    return end[:-1] + bytes([end[-1] + 1]) if end else b"\0"


def read_keys(answer: Mapping[str, Any]) -> list[bytes]:
    """Parse the answer to `keys_request`."""
    return [base64.b64decode(each["key"]) for each in answer.get("kvs", ())]


def read_status(answer: Mapping[str, Any]) -> tuple[str, str]:
    """Parse the ids of the member that answers and of its leader, in hexadecimal; "" where there is none."""
    member, leader = int(answer["header"]["member_id"]), int(answer.get("leader", 0))
    return f"{member:x}", f"{leader:x}" if leader else ""


def read_result(answer: Mapping[str, Any]) -> ReadResult:
    """Parse the answer to a range."""
    return ReadResult(_first(answer), read_revision(answer))


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


def put_request(key: bytes, value: bytes, lease: int = 0) -> Message:
    """Return an operation of a transaction: put `value`, under `lease` unless that is 0."""
    put = {"key": encode(key), "value": encode(value)}
    return {"request_put": put | {"lease": str(lease)} if lease else put}


def touch_request(key: bytes) -> Message:
    """Return an operation of a transaction: give an existing key a new revision, and change nothing else."""
    return {"request_put": {"key": encode(key), "ignore_value": True, "ignore_lease": True}}


def delete_request(key: bytes, end: bytes | None = None) -> Message:
    """Return an operation of a transaction: delete a key, or all keys from it up to `end`."""
    delete = {"key": encode(key)}
    return {"request_delete_range": delete if end is None else delete | {"range_end": encode(end)}}


def count_request(key: bytes, end: bytes | None = None) -> Message:
    """Return a read that counts a key, or the keys from it up to `end`."""
    request: Message = {"key": encode(key), "count_only": True}
    return request if end is None else request | {"range_end": encode(end)}


def read_count(answer: Mapping[str, Any]) -> int:
    """Parse the answer to `count_request`."""
    return int(answer.get("count", 0))


def if_none(key: bytes, end: bytes) -> list[Message]:
    """Return the comparison: there is no key from `key` up to `end`."""
    return [if_absent(key)[0] | {"range_end": encode(end)}]


def if_value_below(key: bytes, bound: bytes) -> list[Message]:
    """Return the comparison: the key exists, and its value sorts before `bound`."""
    return [{"key": encode(key), "target": "VALUE", "result": "LESS", "value": encode(bound)}]


def txn_put(key: bytes, value: bytes, compare: Sequence[Message], lease: int = 0) -> Message:
    """Return a transaction: put `value` if all of `compare` holds, else read the key."""
    return {
        "compare": list(compare),
        "success": [put_request(key, value, lease)],
        "failure": [{"request_range": range_request(key)}],
    }


def txn_delete(key: bytes, compare: Sequence[Message]) -> Message:
    """Return a transaction: delete the key if all of `compare` holds, else read it."""
    return {
        "compare": list(compare),
        "success": [delete_request(key)],
        "failure": [{"request_range": range_request(key)}],
    }


def txn_result(answer: Mapping[str, Any]) -> TxnResult:
    """Parse the answer to a transaction whose failure branch is one range."""
    if answer.get("succeeded"):
        return TxnResult(True, read_revision(answer), None)
    return TxnResult(False, read_revision(answer), _first(answer["responses"][0]["response_range"]))


def txn_reads(key: bytes, reads: Sequence[Message]) -> Message:
    """Return a transaction of reads, done in one step, that goes through etcd's log as if it wrote.

    One that can only read must never be sent: etcd 3.5.0 to 3.5.4 panics when its client goes away while a key is read
    (https://github.com/etcd-io/etcd/issues/14110). This one would delete `key` if that had been written a negative
    number of times; so it writes nothing, and takes no revision.
    """
    return {
        "compare": [{"key": encode(key), "target": "VERSION", "result": "LESS", "version": "0"}],
        "success": [delete_request(key)],
        "failure": [{"request_range": each} for each in reads],
    }


def written_key(body: Mapping[str, Any]) -> bytes | None:
    """Return the first key that a transaction or a put would write, or None if it names none."""
    operation = next(iter(body.get("success", ())), {"request_put": body})
    key = next(iter(operation.values())).get("key")
    return None if key is None else base64.b64decode(key)


def txn_counts(counts: Sequence[Message]) -> Message:
    """Return a transaction of `count_request`s: it reads no key, and so may be one that can only read."""
    return {"success": [{"request_range": each} for each in counts]}


def read_counts(answer: Mapping[str, Any]) -> list[int]:
    """Parse the answer to `txn_counts`."""
    return [read_count(each) for each in read_outcome(answer).answers]


class Outcome(NamedTuple):
    """Whether the comparisons of a transaction held, and the answers to its operations."""

    succeeded: bool
    answers: list[dict[str, Any]]
    revision: int


def read_outcome(answer: Mapping[str, Any]) -> Outcome:
    """Parse the answer to any transaction."""
    answers = [next(iter(each.values())) for each in answer.get("responses", ())]
    return Outcome(bool(answer.get("succeeded")), answers, read_revision(answer))


def watch_request(watch: int, key: bytes, start_revision: int, end: bytes | None = None) -> Message:
    """Return a request to watch every change of the key, or of the keys up to `end`, from `start_revision` on.

    `watch` is its number, at least 1, which every message of this watch carries.
    """
    request = {"watch_id": str(watch), "key": encode(key), "start_revision": str(start_revision)}
    if end is not None:
        request["range_end"] = encode(end)
    return {"create_request": request}


def read_event(event: Mapping[str, Any]) -> tuple[bytes, int]:
    """Parse the key and the revision of a watched change."""
    return base64.b64decode(event["kv"]["key"]), int(event["kv"]["mod_revision"])


def event_change(event: Mapping[str, Any]) -> int:
    """Return by how many keys a watched change makes a range larger: 1, 0 or -1."""
    if event.get("type") == "DELETE":
        return -1
    return int(event["kv"]["create_revision"] == event["kv"]["mod_revision"])


def read_kvs(answer: Mapping[str, Any]) -> list[KeyValue]:
    """Parse the keys in the answer to a range."""
    return [
        KeyValue(
            base64.b64decode(kv.get("value", "")),
            int(kv["mod_revision"]),
            base64.b64decode(kv["key"]),
            int(kv.get("lease", 0)),
        )
        for kv in answer.get("kvs", ())
    ]


def read_revision(answer: Mapping[str, Any]) -> int:
    """Return the store's revision as of an answer."""
    return int(answer["header"]["revision"])


def _first(answer: Mapping[str, Any]) -> KeyValue | None:
    return next(iter(read_kvs(answer)), None)

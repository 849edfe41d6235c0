"""The model of a store: a dict."""

from __future__ import annotations

from typing import Any, ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import rule

from rdzv_conformance.checks.models.running import INSTANCES, Model
from rdzv_conformance.harness.expect import shown, shown_error
from rdzv_core import RendezvousTimeoutError

WHO = st.sampled_from(INSTANCES)
KEYS = st.sampled_from(["a", "b", ""])
VALUES = st.sampled_from([b"", b"7", b"x", b"\x00\xff"])
LISTS = st.lists(KEYS, max_size=3)


class StoreModel(Model):
    """A store that two instances fill and empty; nothing is waited for, what is missing times out at once."""

    setup: ClassVar[tuple[str, ...]] = (
        "one, other = one.store('model'), other.store('model')",
        "from rdzv_core import RendezvousTimeoutError",
    )

    def __init__(self) -> None:
        super().__init__()
        self.there: dict[str, bytes] = {}
        self.stores: dict[str, Any] = {}
        if not self.over:
            self.stores = {who: self._store(register.backend) for who, register in self.opened.items()}

    def _store(self, backend: Any) -> Any:
        try:
            return self.watched("store('model')", backend.store, "model")
        except Exception as error:
            raise self.broken("RDZV-STORE-1", f"store('model') raised {shown_error(error)}") from error

    def _does(self, clause: str, who: str, method: str, *values: Any, gives: Any) -> None:
        arguments = ", ".join(map(repr, values))
        name, answer = self.call(clause, who, method, arguments, getattr(self.stores[who], method), *values)
        said = f"{who}.{method}({arguments}) gave {shown(answer)}: it must be {shown(gives)}"
        self.must(answer == gives, clause, f"{name} == {gives!r}", said)

    def _raises(self, clause: str, kind: type[Exception], who: str, method: str, *values: Any) -> None:
        arguments = ", ".join(map(repr, values))
        body = f"{who}.{method}({arguments})"
        self.lines.extend(["try:", f"    {body}", f"except {kind.__name__}:", "    pass"])
        self.lines.extend(["else:", f"    raise AssertionError('no {kind.__name__}')"])
        try:
            answer = self.watched(body, getattr(self.stores[who], method), *values)
        except kind:
            return
        except Exception as error:
            raise self.broken(clause, f"{body} raised {shown_error(error)}: it must raise {kind.__name__}") from error
        raise self.broken(clause, f"{body} gave {shown(answer)}: it must raise {kind.__name__}")

    @rule(who=WHO, key=KEYS, value=VALUES)
    def set(self, who: str, key: str, value: bytes) -> None:
        """Set one."""
        if not self.over:
            self._does("RDZV-STORE-1", who, "set", key, value, gives=None)
            self.there[key] = value

    @rule(who=WHO, items=st.dictionaries(KEYS, VALUES, max_size=3))
    def multi_set(self, who: str, items: dict[str, bytes]) -> None:
        """Set several."""
        if not self.over:
            self._does("RDZV-STORE-1", who, "multi_set", items, gives=None)
            self.there.update(items)

    @rule(who=WHO, keys=LISTS)
    def get(self, who: str, keys: list[str]) -> None:
        """Get several, which are there or are not."""
        if self.over:
            return
        if all(key in self.there for key in keys):
            self._does("RDZV-STORE-1", who, "multi_get", keys, 5, gives=[self.there[key] for key in keys])
            self._does("RDZV-STORE-1", who, "wait", keys, 5, gives=None)
        else:
            self._raises("RDZV-STORE-2", RendezvousTimeoutError, who, "multi_get", keys, 0)

    @rule(who=WHO, keys=LISTS)
    def look(self, who: str, keys: list[str]) -> None:
        """Ask what is there."""
        if not self.over:
            self._does("RDZV-STORE-1", who, "check", keys, gives=all(key in self.there for key in keys))
            self._does("RDZV-STORE-1", who, "num_keys", gives=len(self.there))

    @rule(who=WHO, key=KEYS)
    def delete_key(self, who: str, key: str) -> None:
        """Delete one that is there, or is not."""
        if not self.over:
            self._does("RDZV-STORE-1", who, "delete_key", key, gives=self.there.pop(key, None) is not None)

    @rule(who=WHO, key=KEYS, expected=st.none() | VALUES, desired=VALUES)
    def compare_set(self, who: str, key: str, expected: bytes | None, desired: bytes) -> None:
        """Set one if it is as expected."""
        if self.over:
            return
        gives = desired if self.there.get(key) == expected else self.there.get(key)
        self._does("RDZV-STORE-3", who, "compare_set", key, expected, desired, gives=gives)
        if gives is not None:
            self.there[key] = gives

    @rule(who=WHO, key=KEYS, amount=st.integers(-2, 3))
    def add(self, who: str, key: str, amount: int) -> None:
        """Add to what is a number, is not, or is not there."""
        if self.over:
            return
        before = self.there.get(key, b"0")
        if before.lstrip(b"-").isdigit():
            self._does("RDZV-STORE-3", who, "add", key, amount, gives=int(before) + amount)
            self.there[key] = b"%d" % (int(before) + amount)
        else:
            self._raises("RDZV-STORE-5", ValueError, who, "add", key, amount)

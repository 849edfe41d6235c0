"""The model of a membership: its members in entry order, each with its payload."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import rule

from rdzv_conformance.checks.models.running import INSTANCES, Model
from rdzv_conformance.harness.expect import shown
from rdzv_core import MemberLease, MembersView

WHO = st.sampled_from(INSTANCES)
PAYLOADS = st.sampled_from([b"a", b"b", b"", b"\x00\xff\n"])
NUMBER = st.integers(0, 5)
TTL = 600.0


class MembershipModel(Model):
    """Members that two instances let in, change, refresh and let go; nobody expires."""

    def __init__(self) -> None:
        super().__init__()
        self.leases: list[tuple[str, str, MemberLease]] = []
        self.there: dict[str, bytes] = {}
        self.version: tuple[str, Any] | None = None
        self.is_known: bool = False

    def _of(self, who: str) -> Any:
        return self.opened[who].backend

    @property
    def _listing(self) -> str:
        """The clause that a wrong list is against: once somebody has left, likelier the one about leaving."""
        return "RDZV-MEMBER-5" if len(self.there) < len(self.leases) else "RDZV-MEMBER-1"

    @rule(who=WHO, payload=PAYLOADS)
    def enter(self, who: str, payload: bytes) -> None:
        """Let one in."""
        if self.over:
            return
        arguments = f"{payload!r}, {TTL}"
        name, lease = self.call("RDZV-MEMBER-1", who, "enter", arguments, self._of(who).enter, payload, TTL)
        self.leases.append((who, name, lease))
        self.there[lease.id] = payload
        self._changed()

    @rule(number=NUMBER, payload=PAYLOADS)
    def update(self, number: int, payload: bytes) -> None:
        """Replace a payload."""
        if self.over or not self.leases:
            return
        who, text, lease = self.leases[number % len(self.leases)]
        alive = lease.id in self.there
        clause = "RDZV-MEMBER-2" if alive else "RDZV-MEMBER-5"
        name, answer = self.call(clause, who, "update", f"{text}, {payload!r}", self._of(who).update, lease, payload)
        self.must(answer is alive, clause, f"{name} is {alive}", f"update gave {shown(answer)}: it must be {alive}")
        if alive and self.there[lease.id] != payload:
            self._changed()
        elif alive:
            self.version = None  # whether writing the same payload again is a change is not said
        if alive:
            self.there[lease.id] = payload

    @rule(number=NUMBER)
    def refresh(self, number: int) -> None:
        """Refresh one that is there, or was."""
        if self.over or not self.leases:
            return
        who, text, lease = self.leases[number % len(self.leases)]
        alive = lease.id in self.there
        clause = "RDZV-MEMBER-3" if alive else "RDZV-MEMBER-5"
        name, answer = self.call(clause, who, "refresh", text, self._of(who).refresh, lease)
        self.must(answer is alive, clause, f"{name} is {alive}", f"refresh gave {shown(answer)}: it must be {alive}")

    @rule(number=NUMBER)
    def leave(self, number: int) -> None:
        """Let one go; twice is once."""
        if self.over or not self.leases:
            return
        who, text, lease = self.leases[number % len(self.leases)]
        self.call("RDZV-MEMBER-5", who, "leave", text, self._of(who).leave, lease)
        if self.there.pop(lease.id, None) is not None:
            self._changed()

    @rule(who=WHO, first=st.integers(0, 3))
    def look(self, who: str, first: int) -> None:
        """Read the members."""
        if self.over:
            return
        name, view = self.call("RDZV-MEMBER-1", who, "members", "", self._of(who).members)
        self._shows(f"{name}.members", view, list(self.there.items()))
        self._has_version(f"{name}.version", view)
        name, view = self.call("RDZV-MEMBER-1", who, "first", str(first), self._of(who).first, first)
        self._shows(f"{name}.members", view, list(self.there.items())[:first])
        name, count = self.call("RDZV-MEMBER-1", who, "count", "", self._of(who).count)
        size = len(self.there)
        self.must(count == size, self._listing, f"{name} == {size}", f"count() is {count}: it must be {size}")

    def _shows(self, text: str, view: MembersView, expected: list[tuple[str, bytes]]) -> None:
        names = {lease.id: f"{name}.id" for _, name, lease in self.leases}
        listed = ", ".join(f"({names[member]}, {payload!r})" for member, payload in expected)
        found = [(each.id, each.payload) for each in view.members]
        self.must(
            found == expected,
            self._listing,
            f"[(m.id, m.payload) for m in {text}] == [{listed}]",
            f"the members are {shown(found)}: they must be {shown(expected)}, in entry order",
        )

    def _has_version(self, text: str, view: MembersView) -> None:
        if self.version is not None:
            before, value = self.version
            same = self.is_known
            self.must(
                (view.version == value) is same,
                "RDZV-MEMBER-6",
                f"({text} == {before}) is {same}",
                f"the version is {'another' if same else 'the same'}, and {'nothing' if same else 'somebody'} changed",
            )
        self.version, self.is_known = (text, view.version), True

    def _changed(self) -> None:
        self.is_known = False

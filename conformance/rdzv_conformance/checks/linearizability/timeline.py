"""A few overlapping calls as a picture of text: a lane for each client, time from left to right."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

from rdzv_conformance.checks.linearizability.history import Operation
from rdzv_conformance.harness.expect import shown

WIDTH = 100
MOST = 12
LONGEST_STATE = 24
LONGEST_TOKEN = 60


def draw(operations: Sequence[Operation], width: int = WIDTH) -> str:
    """Draw operations; no line is longer than `width` characters, unless a client's name is.

    A bar begins with the call and ends with the answer, or is open where there was none. Bars overlap if the calls did:
    the distances are not to scale. Below, each call by its number, in microseconds since the first call. Of more than
    twelve operations the last twelve are drawn.
    """
    drawn = sorted(operations, key=lambda each: each.call)[-MOST:]
    names = _names(drawn)
    lines = _lanes(drawn, width)
    if len(drawn) < len(operations):
        lines.insert(0, f"(the last {len(drawn)} of {len(operations)} calls)")
    began = drawn[0].call if drawn else 0
    for number, each in enumerate(drawn, 1):
        ended = "" if each.answer is None else f"{(each.answer - began) / 1000:.0f}"
        when = f"{(each.call - began) / 1000:.0f}..{ended} µs"
        lines.append(_cut(f"{number:>2}  {each.client}: {_call(each, names)} {_answer(each, names)}  [{when}]", width))
    lines += [_cut(f"{name} is the token {shown(token, LONGEST_TOKEN)}", width) for token, name in names.items()]
    return "\n".join(lines)


def _lanes(drawn: Sequence[Operation], width: int) -> list[str]:
    clients = sorted({each.client for each in drawn})
    label = max((len(client) for client in clients), default=0) + 2
    column = _columns(drawn, max(width - label - 1, 1))
    lanes = {client: [" "] * (width - label) for client in clients}
    for number, each in enumerate(drawn, 1):
        lane = lanes[each.client]
        start = column[each.call]
        end = len(lane) - 1 if each.answer is None else column[each.answer]
        bar = f"├{f'─{number}'.ljust(end - start - 1, '─')}{'┄' if each.answer is None else '┤'}"
        lane[start : end + 1] = bar[: end - start + 1]
    return [(client.ljust(label) + "".join(lane)).rstrip() for client, lane in lanes.items()]


def _columns(drawn: Sequence[Operation], width: int) -> dict[int, int]:
    """Return every moment its column, the moments being equally far from each other; calls before answers."""
    moments = sorted({each.call for each in drawn} | {each.answer for each in drawn if each.answer is not None})
    steps = max(len(moments), 1)
    return {moment: place * width // steps for place, moment in enumerate(moments)}


def _names(drawn: Sequence[Operation]) -> dict[Hashable, str]:
    """Return the tokens short names, in the order in which they appear."""
    names: dict[Hashable, str] = {}
    for each in drawn:
        for token in (each.token, None if each.found is None else each.found.token):
            if token is not None:
                names.setdefault(token, f"T{len(names) + 1}")
    return names


def _call(each: Operation, names: dict[Hashable, str]) -> str:
    token = "None" if each.token is None else names[each.token]
    if each.kind == "get":
        return "get_state()"
    if each.kind == "set":
        return f"set_state({shown(each.state, LONGEST_STATE)}, {token})"
    return f"{each.kind}_state({token})"


def _answer(each: Operation, names: dict[Hashable, str]) -> str:
    if each.answer is None:
        return "was not answered"
    there = "no state" if each.found is None else f"{shown(each.found.state, LONGEST_STATE)}, {names[each.found.token]}"
    if each.kind == "delete":
        return f"gave {each.done}"
    if each.kind == "set":
        return f"{'wrote' if each.done else 'was refused:'} {there}"
    return f"gave {there}"


def _cut(line: str, width: int) -> str:
    return line if len(line) <= width else line[: width - 1] + "…"

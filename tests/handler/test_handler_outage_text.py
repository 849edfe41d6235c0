"""What a node says of a store that is away: each thing once."""

from __future__ import annotations

import pytest

from rdzv_core._handler.outage import Outage


@pytest.mark.parametrize(
    ("why", "said"),
    [
        ("backend 'tcp' at 10.0.0.1:29400: connection refused", "lost the store 2.0 s ago (backend 'tcp' at 10.0.0.1"),
        ("backend 'etcd' at a:2379, b:2379: no answer", "lost the store 2.0 s ago (backend 'etcd' at a:2379, b:2379"),
        ("nothing is left of a,b", "lost the store 2.0 s ago (nothing is left of a,b)"),
        ("connection reset", "lost the store at a,b 2.0 s ago (connection reset)"),
    ],
)
def test_the_store_is_named_once(why: str, said: str) -> None:
    """By the error, if that names it, in whatever spelling; else by its endpoint."""
    told: list[str] = []
    outage = Outage(told.append, "10.0.0.1:29400" if "10.0.0.1" in why else "a,b")
    outage.failed(why, 10.0)
    outage.look("this node waits", 12.0)

    (line,) = told
    assert line.startswith(said)
    assert line.endswith(": this node waits")

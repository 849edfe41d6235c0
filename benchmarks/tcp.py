"""How fast the tcp store is, beside others: `python -m benchmarks.tcp` in the root of the repository.

Client and server are always different processes of this machine. torch is measured if `PEER_PYTHON` is an interpreter
that has it, Redis if `redis-server` is installed. Linux.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from typing import Any

from rdzv_tcp._client.session import Session, new_nonce
from rdzv_tcp._protocol import Set

from benchmarks._contenders import compare, contenders, timed
from benchmarks._processes import Child, allow_many_files, child, cpu_seconds, rdzv_server, rss
from rdzv_core import RendezvousParameters, create_backend
from rdzv_core.endpoint import HostPort

SIZES = {"200 B": 200, "20 kB": 20_000, "1 MB": 1_000_000}
MB = 1_000_000
IDLE = {"renewals": "", "members": ", as nodes between rounds"}


def latencies(count: int) -> list[dict[str, Any]]:
    """Return the median times of get and compare-and-set, with server and client on a processor each, then on one."""
    rows = []
    for placement, cpu in (("", 1), (", one processor", 0)):
        with contenders(cpu) as found:
            for label, size in SIZES.items():
                for what in ("get", "cas"):
                    calls = count if size < MB else count // 10
                    if not placement or size == SIZES["200 B"]:
                        medians = compare(found, what, size, calls, turns=7)
                        rows.append({"what": what, "size": label, "where": placement, "seconds": medians})
    return rows


def wake_up(count: int, turns: int) -> dict[str, Any]:
    """Return the seconds from a write of 20 kB until the last of `count` waiting connections has the answer."""
    with rdzv_server() as (_, endpoint):
        params = RendezvousParameters("tcp", endpoint, "herd", 1, 2, is_host=False)
        backend = create_backend(params)
        times = []
        with child(sys.executable, "-m", "benchmarks._herd", "waiters", endpoint, params.key, str(count)) as herd:
            for _ in range(turns):
                assert herd.hear() == "waiting"
                began = time.monotonic()
                backend.set_state(bytes(20_000))
                last, size = herd.hear().split()
                assert int(size) > 20_000, size
                times.append(float(last) - began)
                backend.delete_state()  # type: ignore[attr-defined]
                herd.tell("again")
            assert herd.hear() == "waiting"
        backend.close()
    return {"waiters": count, "seconds": statistics.median(times), "worst": max(times)}


def idle_members(kind: str, count: int, seconds: float) -> dict[str, Any]:
    """Return what a server uses for members that renew (`renewals`), or do all that nodes at work do (`members`).

    That is: renew every 5 s, wait for the head 30 s at a time, check their place every 19 s.
    """
    with rdzv_server() as (server, endpoint):
        params = RendezvousParameters("tcp", endpoint, "herd", 1, 2, is_host=False)
        with child(sys.executable, "-m", "benchmarks._herd", kind, endpoint, params.key, str(count)) as herd:
            assert herd.hear() == "there"
            began, used = time.monotonic(), cpu_seconds(server.pid)
            time.sleep(seconds)
            load = (cpu_seconds(server.pid) - used) / (time.monotonic() - began)
            looking = create_backend(params)
            assert looking.health()["members"] == count, "members were lost meanwhile"
            looking.close()
            herd.tell("enough")
            return {"kind": kind, "members": count, "seconds": seconds, "cpu": load, "rss": rss(server.pid)}


def many_runs(count: int, calls: int) -> dict[str, Any]:
    """Return the memory of a server with `count` runs of 1 kB, and its time for a get beside a server with one run."""
    with rdzv_server() as few, rdzv_server() as many:
        _fill(few[1], 1)
        _fill(many[1], count)
        medians: dict[str, list[float]] = {"one": [], "many": []}
        for _ in range(7):
            for name, endpoint in (("one", few[1]), ("many", many[1])):
                medians[name].append(_get_time(endpoint, calls // 7))
        return {
            "runs": count,
            "rss": _memory(many[0]),
            "get": statistics.median(medians["many"]),
            "get_of_one": statistics.median(medians["one"]),
        }


def _memory(server: Child) -> int:
    return rss(server.pid)


def _fill(endpoint: str, count: int) -> None:
    host, _, port = endpoint.rpartition(":")
    session = Session(HostPort(host, int(port)), 60)
    for number in range(count):
        params = RendezvousParameters("tcp", endpoint, f"run-{number}", 1, 2)
        session.write(Set(params.key, bytes(1000), new_nonce(), None))
    session.close()


def _get_time(endpoint: str, calls: int) -> float:
    backend = create_backend(RendezvousParameters("tcp", endpoint, "run-0", 1, 2, is_host=False))
    try:
        return statistics.median(timed(backend.get_state, calls))
    finally:
        backend.close()


def show(results: dict[str, Any]) -> str:
    """Format the results as a table in Markdown."""
    rows = [("what", "rdzv", "ratio", "beside it", "goal")]
    rows += [_latency_row(row) for row in results["latencies"]]
    wake, runs = results["wake_up"], results["runs"]
    rows += [
        (
            f"wake-up of {wake['waiters']:,} waiters by one write of 20 kB",
            f"{wake['seconds']:.3f} s to the last",
            "",
            f"worst of all turns {wake['worst']:.3f} s",
            "0.5 s",
        ),
        *(
            (
                f"{idle['members']:,} idle members for {idle['seconds']:g} s{IDLE[idle['kind']]}",
                f"{100 * idle['cpu']:.1f} % of a core, {idle['rss'] / MB:.0f} MB",
                "",
                "",
                "2 %, 100 MB",
            )
            for idle in results["idle"]
        ),
        (
            f"{runs['runs']:,} runs of 1 kB",
            f"{runs['rss'] / MB:.0f} MB, get {1e6 * runs['get']:.1f} us",
            f"{runs['get'] / runs['get_of_one']:.2f} x one run",
            f"get with one run {1e6 * runs['get_of_one']:.1f} us",
            "400 MB, 1 x",
        ),
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(5)]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |" for row in rows
    ]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines)


def _latency_row(row: dict[str, Any]) -> tuple[str, str, str, str, str]:
    seconds = row["seconds"]
    own, bare = seconds["rdzv"], seconds["ping-pong"]
    ratios = [f"{own / bare:.2f} x ping-pong"]
    beside = [f"ping-pong {1e6 * bare:.1f} us"]
    for name, other in seconds.items():
        if name not in ("rdzv", "ping-pong"):
            ratios.append(f"{own / other:.2f} x {name}")
            beside.append(f"{name} {1e6 * other:.1f} us")
    small, large = row["size"] == "200 B", row["size"] == "1 MB"
    goal = "1.6 x ping-pong" if small else "0.2 x torch" if large and row["what"] == "cas" else "1 x torch"
    if small and row["what"] == "get":
        goal += ", 1 x torch"
    if row["where"]:
        goal = ""
    return (
        f"{'get' if row['what'] == 'get' else 'compare-and-set'}, {row['size']}{row['where']}",
        f"{1e6 * own:.1f} us",
        ", ".join(ratios),
        ", ".join(beside),
        goal,
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print JSON, times in seconds")
    parser.add_argument("--quick", action="store_true", help="a tenth of everything, to test this program")
    parser.add_argument("--idle", type=float, default=20.0, help="seconds for which members are idle (default: 20)")
    chosen = parser.parse_args()
    allow_many_files()
    part = 10 if chosen.quick else 1
    results = {
        "python": sys.version.split()[0],
        "latencies": latencies(7000 // part),
        "wake_up": wake_up(1000 // part, 5),
        "idle": [idle_members(kind, 2000 // part, chosen.idle / part) for kind in ("renewals", "members")],
        "runs": many_runs(100_000 // part, 7000 // part),
    }
    print(json.dumps(results, indent=1) if chosen.json else show(results))


if __name__ == "__main__":
    main()

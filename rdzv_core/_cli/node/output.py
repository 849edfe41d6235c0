"""Where the output of a node's workers goes: on as it comes, to the console with a prefix, to files, or to both."""

from __future__ import annotations

import json
import logging
import os
from pathlib import Path

from rdzv_core._cli.node.output_plan import NAMES, STDERR, STDOUT, OutputPlan
from rdzv_core._cli.node.relay import Relay, Source, open_log
from rdzv_core._cli.node.worker import Streams
from rdzv_core._history import MOST_STDERR_BYTES

log = logging.getLogger("rdzv")

_FINISH_SECONDS = 1.0
_TAIL_SECONDS = 0.5


class RoundOutput:
    """The output of the workers of one round. One thread prepares it and begins; then it is thread-safe."""

    def __init__(self, plan: OutputPlan, ranks: range, folder: Path | None) -> None:
        """Prepare it; what cannot be written to a file goes to the console, and that is logged."""
        self._plan, self._ranks, self._folder = plan, ranks, folder
        self._relays = {stream: Relay(stream) for stream in NAMES}
        self._sources: dict[int, Source] = {}
        self._files: list[int] = []
        if folder is not None:
            try:
                folder.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                _no_file(folder, error)
        self.streams: list[Streams] = [
            (self._stream(place, STDOUT), self._stream(place, STDERR)) for place in range(len(ranks))
        ]
        """Of each worker, by local rank."""

    def environment(self, place: int) -> dict[str, str]:
        """Return what a worker needs to know: that it should not buffer, and where its errors are looked for."""
        told = {}
        if self.streams[place][0] is not None and not os.environ.get("PYTHONUNBUFFERED"):
            told["PYTHONUNBUFFERED"] = "1"
        if self._folder is not None:
            told["TORCHELASTIC_ERROR_FILE"] = str(self._path(place, "error.json"))
        return told

    def begin(self) -> None:
        """Read what the workers write; to be called once they have been started, or could not be."""
        for file in self._files:
            os.close(file)
        for relay in self._relays.values():
            relay.start()

    def finish(self) -> None:
        """Wait for the last lines, a second at most: all workers are gone."""
        for relay in self._relays.values():
            relay.finish(_FINISH_SECONDS)

    def tail(self, rank: int) -> str | None:
        """Return the last that a worker wrote to stderr, or to its error file; None if its stderr is not kept here."""
        place = rank - self._ranks.start
        if place not in range(len(self._ranks)):
            return None
        if self.streams[place][1] is None:
            return self._recorded(place) or None
        source = self._sources.get(place)
        if source is None:
            written = _end_of(self._path(place, "stderr.log"))
        else:
            source.over.wait(_TAIL_SECONDS)
            written = source.last
        text = written[-MOST_STDERR_BYTES:].decode("utf-8", "replace")
        return text or self._recorded(place)

    def _stream(self, place: int, stream: int) -> int | None:
        """Return the descriptor for a worker's stream; None: that of this process."""
        plan = self._plan
        to_file = self._folder is not None and (plan.tee.has(place, stream) or plan.redirect.has(place, stream))
        file = self._path(place, f"{NAMES[stream]}.log") if to_file else None
        if file is not None:
            try:
                if not plan.tee.has(place, stream):
                    self._files.append(open_log(file))
                    return self._files[-1]
                return self._relayed(place, stream, file)
            except OSError as error:
                _no_file(file, error)
        return self._relayed(place, stream, None) if self._is_prefixed(stream, teed=False) else None

    def _relayed(self, place: int, stream: int, file: Path | None) -> int:
        prefix = f"[rank {self._ranks[place]}] " if self._is_prefixed(stream, teed=True) else ""
        source = Source(prefix, file)
        self._relays[stream].sources.append(source)
        if stream == STDERR:
            self._sources[place] = source
        return source.writable

    def _is_prefixed(self, stream: int, teed: bool) -> bool:
        if self._plan.prefix is not None:
            return self._plan.prefix
        return len(self._ranks) > 1 and (teed or _is_terminal(stream))

    def _path(self, place: int, name: str) -> Path:
        assert self._folder is not None
        return self._folder / f"rank-{self._ranks[place]}.{name}"

    def _recorded(self, place: int) -> str:
        """Return what torch's `@record` wrote of an exception; empty if nothing is there."""
        if self._folder is None:
            return ""
        try:
            message = json.loads(_end_of(self._path(place, "error.json"), 1 << 20))["message"]
            said = message if isinstance(message, str) else message["extraInfo"]["py_callstack"]
        except (ValueError, LookupError, TypeError):
            return ""
        return str(said)[-MOST_STDERR_BYTES:]


def _no_file(path: Path, error: OSError) -> None:
    log.warning("cannot write %s (%s): what belongs there goes to this node's own output", path, error.strerror)


def _end_of(path: Path, most: int = MOST_STDERR_BYTES) -> bytes:
    try:
        with path.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - most))
            return file.read(most)
    except OSError:
        return b""


def _is_terminal(descriptor: int) -> bool:
    try:
        return os.isatty(descriptor)
    except OSError:
        return False

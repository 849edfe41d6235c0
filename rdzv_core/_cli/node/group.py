"""The workers of a node in one round: started together, signalled together, and ended together."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from threading import Lock

from rdzv_core._cli.node.events import Ended
from rdzv_core._cli.node.output import RoundOutput
from rdzv_core._cli.node.worker import Worker


class WorkerGroup:
    """One run of the command in every worker of a node: each has its own process group and its own watchdog.

    `ranks` are those of the workers, and `environments` what each is told. Thread-safe.
    """

    def __init__(
        self,
        command: Sequence[str],
        ranks: range,
        environments: Sequence[Mapping[str, str]],
        lease_ends: float,
        output: RoundOutput,
    ) -> None:
        """Start all of them, side by side; raises `OSError`, and leaves none, if one cannot be started."""
        self.ranks, self.output = ranks, output
        self._lock = Lock()
        self._left = len(ranks)
        self._first_failure: tuple[int, int] | None = None
        self._workers: list[Worker] = []
        try:
            for environment, streams in zip(environments, output.streams, strict=True):
                self._workers.append(Worker(command, environment, lease_ends, streams, await_start=False))
            for worker in self._workers:
                worker.await_start()
        except BaseException:
            for worker in self._workers:
                worker.discard()
            raise

    @property
    def process_groups(self) -> list[int]:
        """The id of each worker's process group, by local rank; 0 for one that was not started."""
        return [worker.group for worker in self._workers]

    def has_ended(self) -> bool:
        """Return whether the end of the command is on its way: all workers have ended, or one is known to have failed.

        That one of several has ended, nobody knows yet how, is not enough: it may be done, and the others go on.
        """
        return all(worker.has_ended() for worker in self._workers) or any(worker.failed for worker in self._workers)

    def renew(self, lease_ends: float) -> None:
        """Let all of them run until then; never blocks."""
        for worker in self._workers:
            worker.renew(lease_ends)

    def stop(self, number: int) -> None:
        """Send a signal that ends them; raises `PermissionError` if this user may not signal one of them."""
        self._each(lambda worker: worker.stop(number))

    def send(self, number: int) -> None:
        """Send any signal to all of them; raises as `stop` does."""
        self._each(lambda worker: worker.send(number))

    def kill(self) -> None:
        """Kill all of them; raises as `stop` does."""
        self._each(Worker.kill)

    def wait_for(self, place: int, failed: Callable[[int, int], None]) -> tuple[int, bool, Ended | None]:
        """Wait until a worker is gone; return its status, whether it was fenced, and `Ended` if it was the last one.

        If it fails first, and others are left, `failed` is called with its rank and status as soon as that is known.
        To be called once for each worker.
        """
        worker, rank = self._workers[place], self.ranks[place]
        status = worker.leader_ends()
        if worker.failed and self._is_first(rank, status):
            failed(rank, status)
        worker.wait()
        with self._lock:
            self._left -= 1
            last = self._left == 0
        if not last:
            return status, worker.fenced, None
        self.output.finish()
        return status, worker.fenced, self._ended()

    def wait(self) -> None:
        """Wait until all of them are gone."""
        for worker in self._workers:
            worker.wait()

    def _is_first(self, rank: int, status: int) -> bool:
        with self._lock:
            if self._first_failure is not None:
                return False
            self._first_failure = (rank, status)
            return self._left > 1

    def _ended(self) -> Ended:
        """Return how the command ended: as the worker did that failed first, else the first one that did not end well.

        All workers are gone: nothing is waited for.
        """
        fenced = any(worker.fenced for worker in self._workers)
        if self._first_failure is not None:
            return Ended(self._first_failure[1], fenced, self._first_failure[0])
        statuses = [(worker.wait(), rank) for rank, worker in zip(self.ranks, self._workers, strict=True)]
        status, rank = next((each for each in statuses if each[0]), statuses[0])
        return Ended(status, fenced, rank)

    def _each(self, act: Callable[[Worker], None]) -> None:
        refused: PermissionError | None = None
        for worker in self._workers:
            try:
                act(worker)
            except PermissionError as error:
                refused = refused or error
        if refused is not None:
            raise refused

"""A node's connection to its store, which can be cut: a forwarder on a local port."""

from __future__ import annotations

import socket
import threading


class Link:
    """Forwards `127.0.0.1:port` to a store until it is cut, and again after it is restored. Its threads are daemons.

    While it is cut, it ends every connection on both sides at once, like a firewall that resets, and rejects new
    ones by ending them before anything has passed.
    """

    def __init__(self, store: str) -> None:
        host, _, port = store.rpartition(":")
        self._store = (host, int(port))
        self._listening = socket.create_server(("127.0.0.1", 0), backlog=64)
        self._lock = threading.Lock()
        self._ends: list[socket.socket] = []
        self._whole = True
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def endpoint(self) -> str:
        """The address at which the node reaches its store."""
        return f"127.0.0.1:{self._listening.getsockname()[1]}"

    def cut(self) -> None:
        """Let nothing pass."""
        with self._lock:
            self._whole = False
            ends, self._ends = self._ends, []
        for end in ends:
            _end(end)

    def restore(self) -> None:
        """Let everything pass again."""
        self._whole = True

    def close(self) -> None:
        """Stop forwarding for good."""
        self.cut()
        _end(self._listening)

    def _accept(self) -> None:
        while True:
            try:
                near = self._listening.accept()[0]
            except OSError:
                return
            try:
                far = socket.create_connection(self._store)
            except OSError:
                near.close()
                continue
            with self._lock:
                if not self._whole:
                    near.close()
                    far.close()
                    continue
                self._ends += [near, far]
            for source, sink in ((near, far), (far, near)):
                threading.Thread(target=_pump, args=(source, sink), daemon=True).start()


def _pump(source: socket.socket, sink: socket.socket) -> None:
    try:
        while data := source.recv(65536):
            sink.sendall(data)
    except OSError:
        pass
    _end(sink)
    _end(source)


def _end(end: socket.socket) -> None:
    try:
        end.shutdown(socket.SHUT_RDWR)  # wakes a thread that waits for it; closing alone does not
    except OSError:
        pass
    end.close()

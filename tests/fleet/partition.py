"""A way to the database that can be silenced. Owns: a TCP proxy that passes nothing on.

While it is cut, nothing is passed on in either direction, new connections are taken and get no
answer, and none is closed. This is not a pulled cable but a peer that has gone deaf (a proxy that
hangs, a database host that stands still): the kernel acknowledges for it, so that TCP's own limits
never end the wait, and only the clients' do. A pulled cable, where nobody acknowledges anything, is
`network.Place.cut`.
"""

from __future__ import annotations

import contextlib
import selectors
import socket
import threading
from collections.abc import Iterator

_BLOCK = 65536
_TICK_S = 0.05


class Partition:
    """One machine's way to `port` on loopback. Get it by `way_to`."""

    def __init__(self, port: int) -> None:
        self._target = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._open = threading.Event()
        self._open.set()
        self._ended = threading.Event()
        self._pairs: dict[socket.socket, socket.socket] = {}
        self._waiting: list[socket.socket] = []
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def cut(self) -> None:
        """Nothing passes any more."""
        self._open.clear()

    def heal(self) -> None:
        """Everything passes again, what was held back first."""
        self._open.set()

    def close(self) -> None:
        """End it with all its connections."""
        self._ended.set()
        self._thread.join(10)

    def _work(self) -> None:
        with selectors.DefaultSelector() as selector, self._listener:
            selector.register(self._listener, selectors.EVENT_READ)
            while not self._ended.is_set():
                if not self._open.is_set():
                    self._ended.wait(_TICK_S)
                    continue
                for client in self._waiting:
                    self._join(selector, client)
                self._waiting.clear()
                for key, _ in selector.select(_TICK_S):
                    if not self._open.is_set():
                        break
                    self._ready(selector, key.fileobj)
            for one in self._pairs:
                one.close()

    def _ready(self, selector: selectors.BaseSelector, sock: object) -> None:
        assert isinstance(sock, socket.socket)
        if sock is self._listener:
            client, _ = self._listener.accept()
            self._join(selector, client)
        elif sock in self._pairs:
            self._pass_on(selector, sock)

    def _join(self, selector: selectors.BaseSelector, client: socket.socket) -> None:
        try:
            server = socket.create_connection(("127.0.0.1", self._target), timeout=5)
        except OSError:
            client.close()  # nobody listens there: it is told so
            return
        for one in (client, server):
            one.settimeout(5)
            selector.register(one, selectors.EVENT_READ)
        self._pairs[client], self._pairs[server] = server, client

    def _pass_on(self, selector: selectors.BaseSelector, sock: socket.socket) -> None:
        other = self._pairs[sock]
        try:
            data = sock.recv(_BLOCK)
            if data:
                other.sendall(data)
                return
        except OSError:
            pass
        for one in (sock, other):
            selector.unregister(one)
            self._pairs.pop(one, None)
            one.close()


@contextlib.contextmanager
def way_to(port: int) -> Iterator[Partition]:
    """A way of its own for the block."""
    way = Partition(port)
    try:
        yield way
    finally:
        way.close()

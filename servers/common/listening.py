"""A listening HTTP server. Owns: its socket, its bounds, and its end in order.

For the gateway and for MCP over HTTP. The socket is bound before anything else is opened, so that a
second one on the same port fails at once. A signal lets requests that are under way finish.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import resource
import signal
import socket
from collections.abc import Callable, Generator

import uvicorn
from starlette.types import ASGIApp

from guardrails.errors import ConfigError
from servers.common.listening_protocol import CONNECTIONS, BoundedProtocol

_GRACE_S = 14  # a body may take most of it
# Longer than any common proxy keeps an idle connection: it must be the proxy that closes, or it
# sends a request into a closed one.
_KEEP_ALIVE_S = 120


def bound(host: str, port: int, who: str = "the gateway") -> socket.socket:
    """A listening address.

    Args:
        who: wants it, for the message.

    Raises:
        ConfigError: it is taken, or not this machine's.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
    except OSError as error:
        raise ConfigError(f"{who} cannot listen on {host}: {error.strerror}") from error
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(socket.SOMAXCONN)
    except OSError as error:
        listener.close()
        raise ConfigError(
            f"{who} cannot listen on {host} port {port}: {error.strerror}",
            remedy="Another one may be running there; stop it, or give --port another one.",
        ) from error
    return listener


class _Server(uvicorn.Server):
    """Ends in order at a signal, and says when it listens."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """See `uvicorn.Server`."""
        await super().startup(sockets=sockets)
        if self.started:
            self._ready()

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Ours are set in `serve`: uvicorn's would end the process by the signal itself."""
        yield


async def serve(
    app: ASGIApp,
    listener: socket.socket,
    ready: Callable[[], None],
    protocol: type[BoundedProtocol] = BoundedProtocol,
) -> None:
    """Serve until SIGTERM or SIGINT, and then until what is under way has its answer.

    Args:
        ready: called once it listens.
        protocol: with the bounds of its connections.
    """
    _raise_file_limit()
    config = uvicorn.Config(
        app,
        http=protocol,
        ws="none",
        lifespan="off",
        log_config=None,
        log_level="error",
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=_KEEP_ALIVE_S,
        timeout_graceful_shutdown=_GRACE_S,
    )
    # Its warnings are one a malformed request: whoever sends those must not fill the log.
    logging.getLogger("uvicorn.error").setLevel(logging.ERROR)
    server = _Server(config, ready)
    loop = asyncio.get_running_loop()

    def end() -> None:
        server.should_exit = True

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, end)
    try:
        await server.serve(sockets=[listener])
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)


def _raise_file_limit() -> None:
    """Room for all connections and for the database's files."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = CONNECTIONS + 500
    if soft != resource.RLIM_INFINITY and soft < wanted:
        most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))

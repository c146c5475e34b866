"""How every server process starts and ends. Owns: logging to stderr, exit codes, its parent.

stdout is the protocol; everything else goes to stderr as one JSON object a line. A server that
the queen started never outlives her, not even hung or stopped: the kernel sees to it. With `--http`
on its command line a server speaks MCP over HTTP instead (`serve_http`).
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import io
import logging
import os
import sys
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, TextIO, cast

import structlog
from mcp.server.lowlevel import Server
from pydantic import ValidationError

from guardrails import tracing
from guardrails.config.loader import describe
from guardrails.errors import ConfigError, SwarmError
from guardrails.kernel import die_with_parent
from guardrails.logs import PROCESSORS, library_formatter
from servers.common.stdio import serve_stdio

log = structlog.get_logger(__name__)
Opened = AbstractAsyncContextManager[Server[Any]]


def configure_logging() -> None:
    """Structured logs to stderr, warnings and worse of libraries included."""
    stderr = cast("TextIO", _Lossy(sys.stderr))
    handler = logging.StreamHandler(stderr)
    handler.setFormatter(library_formatter())
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    structlog.configure(
        processors=[*PROCESSORS, structlog.processors.JSONRenderer()],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(stderr),
    )


class _Lossy(io.TextIOBase):
    """A line that cannot be written, on a full disk say, is lost and stops nobody."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """See the class."""
        with contextlib.suppress(OSError):
            return self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        """See the class."""
        with contextlib.suppress(OSError):
            self._stream.flush()


def run(open_server: Callable[[], Opened]) -> None:
    """Open the server, serve it until its end, close it. Exits 2 on bad configuration.

    Over stdio that is until stdin closes; over HTTP until SIGTERM or SIGINT.
    """
    speak = _over_http(sys.argv[1:]) if sys.argv[1:] else serve_stdio
    os.umask(0o077)  # what it creates in the hive is its operator's alone
    if os.environ.get("SWARM_CHILD") == "1":
        die_with_parent()
    configure_logging()

    async def serve() -> None:
        async with open_server() as server:
            tracing.begin(server.name, os.environ.get(tracing.ENDPOINT))
            gc.freeze()  # what is loaded by now stays: no use in looking through it ever again
            try:
                await speak(server)
            finally:
                tracing.end()

    _run_or_explain(serve)


def _over_http(arguments: Sequence[str]) -> Callable[[Server[Any]], Awaitable[None]]:
    """What the command line says, as what serves a server so."""
    # Imported when asked for: the queen's servers start without an HTTP server.
    from servers.common.serve_http_options import speaking  # noqa: PLC0415

    return speaking(arguments)


def _run_or_explain(serve: Callable[[], Awaitable[None]]) -> None:
    try:
        asyncio.run(_as_coroutine(serve))
    except ValidationError as error:
        _explain(ConfigError(describe(error)))
        raise SystemExit(2) from error
    except SwarmError as error:
        _explain(error)
        raise SystemExit(2) from error
    except Exception as error:
        log.exception("server_crashed")
        raise SystemExit(1) from error


async def _as_coroutine(serve: Callable[[], Awaitable[None]]) -> None:
    await serve()


def _explain(error: SwarmError) -> None:
    """To whoever started it by hand; into the log of one that the queen started."""
    if os.environ.get("SWARM_CHILD") == "1":
        log.error("not_started", code=error.code, message=error.message, remedy=error.remedy)
        return
    sys.stderr.write(f"{error.code}: {error.message}\n{error.remedy}\n")

"""MCP over Streamable HTTP. Owns: the listening socket, the protocol's app, and their end.

Stateless: every request stands alone, in both eras of the protocol, so that any number of replicas
can stand behind anything. Bound to loopback unless told otherwise; elsewhere the names under which
it is spoken to must be given, and there must be a token already. TLS is a reverse proxy's.
"""

from __future__ import annotations

import ipaddress
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from mcp.server.lowlevel import Server
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager

from guardrails.errors import ConfigError
from guardrails.mcp_tokens import Tokens
from servers.common.listening import bound, serve
from servers.common.serve_http_door import BODY_BYTES, PATH, Door, Names
from servers.common.serve_http_protocol import ReadOrLeave


@dataclass(frozen=True)
class Where:
    """Where to listen. `hosts` and `origins`: names besides those of loopback."""

    host: str = "127.0.0.1"
    port: int = 0
    hosts: tuple[str, ...] = ()
    origins: tuple[str, ...] = ()


def protocol(server: Server[Any]) -> StreamableHTTPSessionManager:
    """The SDK's side: stateless, answering as JSON or events as each era wants it.

    Host and Origin are checked by our door: the SDK's own check is off when it is given none.
    """
    return StreamableHTTPSessionManager(
        server, json_response=False, stateless=True, max_request_body_size=BODY_BYTES
    )


async def serve_http(
    server: Server[Any], where: Where, tokens: Tokens, ready: Callable[[str], None]
) -> None:
    """Serve until SIGTERM or SIGINT, and then until what is under way has its answer.

    Args:
        ready: called with the URL once it listens.

    Raises:
        ConfigError: the address cannot be had, or may not be listened on.
    """
    require_allowed(where, tokens)
    manager = protocol(server)
    door = Door(
        manager.handle_request, server.name, tokens.holder, Names.of(where.hosts, where.origins)
    )
    with bound(where.host, where.port, f"{server.name} (MCP)") as listener:
        host, port = listener.getsockname()[:2]
        shown = f"[{host}]" if ":" in host else host
        async with manager.run():
            await serve(door, listener, lambda: ready(f"http://{shown}:{port}{PATH}"), ReadOrLeave)


def require_allowed(where: Where, tokens: Tokens) -> None:
    """Beyond loopback only on purpose.

    Raises:
        ConfigError: a name to listen under or a token is missing.
    """
    if _is_loopback(where.host):
        return
    if not where.hosts:
        raise ConfigError(
            f"--host {where.host} is not loopback: the names it is spoken to by must be given",
            remedy="Add --allow-host NAME[:PORT] for each, as clients will write it.",
        )
    if not tokens.usable():
        raise ConfigError(
            f"--host {where.host} is not loopback, and there is no token",
            remedy="Create one first: `swarm mcp token create --name NAME --scope read`.",
        )


def say_ready(url: str) -> None:
    """One line on stderr: stdout says nothing, as over stdio."""
    sys.stderr.write(f"MCP over HTTP at {url}\n")
    sys.stderr.flush()


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False

"""What a caller may do. Owns: reading it off a request, and saying no.

Over stdio the caller holds the process and may do all that the process may. Over HTTP the door
(`serve_http_door`) has put the scope of the caller's token on the request; a request without one
may nothing. Permits, modes, the stop and people's approvals stand behind this, whatever it says.
"""

from __future__ import annotations

from typing import Any

from guardrails.errors import Refused
from guardrails.mcp_token_model import Scope

GRANT = "swarm.grant"  # in the ASGI scope: a `Scope`


def require(request: Any, needed: Scope, what: str) -> None:
    """Check that a caller may do `what`.

    Args:
        request: the HTTP request that the call came in; None over stdio.

    Raises:
        Refused: the token's scope is too small, or nobody says what it is.
    """
    if request is None:
        return
    granted = getattr(request, "scope", {}).get(GRANT)
    if isinstance(granted, Scope) and granted.covers(needed):
        return
    raise Refused(
        f"{what} needs a token of scope {needed}",
        remedy=f"`swarm mcp token create --scope {needed}` makes one, at the server's terminal.",
    )

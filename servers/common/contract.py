"""The form of every server's contract. Owns: what a tool is, seen from outside its process.

A contract names tools with typed arguments and results. The server binds each to a method of its
service (`servers.common.toolserver`), the queen calls it by the same object: one description of
a tool, used on both sides of the pipe. Nothing here imports MCP or HTTP.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

from pydantic import BaseModel, ConfigDict

from guardrails.mcp_token_model import Scope


class Args(BaseModel):
    """Arguments of a tool. Unknown arguments are refused, not ignored; so are NaN and infinity."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Result(BaseModel):
    """Structured result of a tool."""

    model_config = ConfigDict(frozen=True, extra="forbid")


# Longer than the queen waits (`work.call_timeout_s`, 150 s): her own limit comes first, and she
# kills and restarts what hangs. What writes at a vendor is ended by the vendor stack, however that
# is configured (600 s at most), and never from here before it.
_TOOL_S = 160.0
_WRITING_S = 620.0

# Where a failed call's result keeps its `Failure`. Not in the structured content: that has to be of
# the tool's output schema, and clients in use refuse the whole answer when it is not.
FAILURE_META = "chiefaiofficer.swarm/failure"

A = TypeVar("A", bound=BaseModel)
R = TypeVar("R", bound=BaseModel)


@dataclass(frozen=True)
class ToolSpec(Generic[A, R]):
    """One tool: what it is called, takes, gives, and may do to the world.

    `read_only` tools change nothing at a vendor and no record of ours that anything is decided by
    (caches, counters and noted failures aside); `destructive` ones may end or overwrite something
    that somebody else made, or cannot be taken back; `open_world` tools talk to a vendor;
    `idempotent` ones may be called again with the same arguments at no further effect (the queen
    retries only read-only or idempotent tools after a crash).

    `outside` names what in the result others wrote, e.g. "lead fields"; see
    `servers.common.outside`. `timeout_s`: seconds after which a call is given up, where what its
    annotations give (`limit_s`) does not fit.
    """

    name: str
    title: str
    description: str
    args: type[A]
    result: type[R]
    read_only: bool = True
    idempotent: bool = True
    destructive: bool = False
    open_world: bool = False
    outside: str = ""
    timeout_s: float | None = None

    @property
    def limit_s(self) -> float:
        """Seconds that a call may take."""
        if self.timeout_s is not None:
            return self.timeout_s
        return _WRITING_S if self.open_world and not self.read_only else _TOOL_S

    @property
    def scope(self) -> Scope:
        """What a caller over HTTP needs. A tool that spends money is not read-only."""
        return Scope.READ if self.read_only else Scope.OPERATE


@dataclass(frozen=True)
class ResourceSpec:
    """A document a client may read. `outside`: as a tool's; `instead`: what to do when it has
    become too large to be sent."""

    uri: str
    name: str
    description: str
    mime_type: str = "application/json"
    outside: str = ""
    instead: str = "Ask for something narrower."

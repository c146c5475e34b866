"""The Orchestrator-MCP's environment. Owns: that no vendor's key stays in this process.

Whoever starts it may have every key in their environment; what is not named here is forgotten
before anything else happens.
"""

from __future__ import annotations

import os
from collections.abc import MutableMapping
from typing import ClassVar

from pydantic import Field

from orchestrator.variables import VARIABLES
from servers.common.settings import ServerSettings

NAME = "orchestrator"
_OURS = {"HIVE_MIND_DIR", "SWARM_CONFIG", "SWARM_SANDBOX_OFFSET_S"}


class OrchestratorSettings(ServerSettings):
    """What every server reads, and who may approve. It decides about no lead and writes nowhere."""

    decides_or_writes: ClassVar[bool] = False

    approver_ids: str = Field(default="", validation_alias="SLACK_APPROVER_IDS")


def forget_keys(environ: MutableMapping[str, str] = os.environ) -> None:
    """Remove every variable of the swarm that this process has no use for."""
    for variable in VARIABLES:
        if NAME not in variable.servers and variable.name not in _OURS:
            environ.pop(variable.name, None)

"""What is to be started, and with which variables. Owns: the options of a command line, P8's hand.

A server gets the common variables and its own, and no others.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from guardrails.config import config_dir
from guardrails.hive import Hive
from guardrails.model import Mode
from orchestrator.begun import Begun, of_hive
from orchestrator.environment import Environment
from orchestrator.nursery import Nursery
from orchestrator.processes import ServerSpec
from orchestrator.twins import sandbox_offset

SERVERS = ("hunter", "enricher", "crafter", "guardrails", "ghl", "instantly")
DEFAULT_HIVE = Path(".hive-mind")
# Whose published limits the twins enforce when asked to. News sources are left out: at one request
# in five seconds nothing else could be seen.
LIMITED = ("ghl", "instantly", "clay", "rb2b")


@dataclass(frozen=True)
class Options:
    """What a command line says. `mode` can only lower the configured one."""

    hive: Path
    sandbox: bool
    config_path: Path | None = None
    mode: Mode | None = None
    concurrency: int | None = None
    hunter_roots: tuple[Path, ...] = ()
    vendor_limits: bool = False  # sandbox: the twins enforce the vendors' limits, and we keep them
    twins_port: int | None = None  # sandbox: join the twins that run there, instead of our own
    must_earn: bool = False  # sandbox: modes have to be earned here as they have to for real
    remembers: bool = True  # in the long-term memory, where there is one
    begun: Begun | None = None  # the nursery's process, where it imports already


def server_spec(
    name: str, options: Options, hive: Hive, mode: Mode, environment: Environment
) -> ServerSpec:
    """How one server is started: the common variables and its own, nothing else (P8)."""
    env = {
        "HIVE_MIND_DIR": str(hive.path),
        "SWARM_CONFIG": str(options.config_path or config_dir()),
        "SWARM_MODE": mode.value,
        "SWARM_SANDBOX": "1" if options.sandbox else "0",
        "SWARM_CHILD": "1",
    }
    if options.vendor_limits:
        env["SWARM_SANDBOX_LIMITS"] = "1"
    if options.must_earn:
        env["SWARM_MUST_EARN"] = "1"
    if offset_s := sandbox_offset(environment.values, sandbox=options.sandbox):
        env["SWARM_SANDBOX_OFFSET_S"] = repr(offset_s)
    if name == "hunter":
        env["HUNTER_ROOTS"] = os.pathsep.join(str(root) for root in options.hunter_roots)
    return ServerSpec(name, env | environment.for_server(name))


def nursery_of(hive: Hive, more: Sequence[str] = (), begun: Begun | None = None) -> Nursery:
    """The nursery of all servers.

    Args:
        more: modules beside the servers'.
        begun: its process, where it imports already.
    """
    modules = [*(ServerSpec(name, {}).module for name in SERVERS), *more]
    return Nursery(modules, hive.logs_dir / "nursery.log", of_hive(hive.path), begun=begun)

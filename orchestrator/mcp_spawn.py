"""How `swarm mcp` becomes a server. Owns: its command line and its environment (P8).

The process that has read every key there is replaces itself: what runs on has its own variables and
no others, as the queen's servers have. In the sandbox a server that asks vendors has twins of its
own, unless it joins some: they end when it does, since it holds the pipe they listen at.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import orjson

from guardrails.config import load_config
from guardrails.errors import ServerUnavailable
from orchestrator.environment import Environment
from orchestrator.ground import open_hive
from orchestrator.options import SERVERS, Options, server_spec
from orchestrator.processes import clean_environment
from orchestrator.twins import SEED, joined_twins, sandbox_offset
from orchestrator.variables import VARIABLES

NAMES = (*SERVERS, "orchestrator")


@dataclass(frozen=True)
class Asked:
    """What a command line says.

    Args:
        roots: folders that the hunter may read lead files from.
        http: arguments of the server's own command line; empty for stdio.
    """

    name: str
    hive: Path
    sandbox: bool
    config: Path | None = None
    twins: int | None = None
    roots: tuple[Path, ...] = ()
    http: tuple[str, ...] = ()


def become(asked: Asked, environment: Environment) -> NoReturn:
    """Be that server from here on.

    Raises:
        ConfigError: configuration or hive.
        ServerUnavailable: the sandbox's twins do not answer.
    """
    options = Options(
        hive=asked.hive.absolute(),
        sandbox=asked.sandbox,
        config_path=asked.config.absolute() if asked.config else None,
        hunter_roots=asked.roots,
    )
    config = load_config(options.config_path)
    hive = open_hive(options, config)
    if asked.sandbox and asks_vendors(asked.name):
        environment = environment.with_values(_twins(asked.twins, environment))
    mode = config.production.mode  # the server itself lowers it to what was earned
    spec = server_spec(asked.name, options, hive, mode, environment)
    own = {key: value for key, value in spec.env.items() if key != "SWARM_CHILD"}
    # Nobody's child: it ends with its stdin, and speaks to a person when it cannot start.
    os.execve(sys.executable, command(asked.name, asked.http), clean_environment(own))  # noqa: S606


def command(name: str, http: Sequence[str]) -> list[str]:
    """`python -P -m …`; -P keeps the current directory off the import path."""
    module = name if name == "orchestrator" else f"servers.{name}"
    return [sys.executable, "-P", "-m", module, *http]


def asks_vendors(name: str) -> bool:
    """Whether this server talks to a vendor: it can be told another address of one."""
    return any(
        name in variable.servers and variable.name.endswith("_BASE_URL") for variable in VARIABLES
    )


def _twins(port: int | None, environment: Environment) -> Mapping[str, str]:
    offset_s = sandbox_offset(environment.values, sandbox=True)
    return asyncio.run(_joined(port, offset_s)) if port else _own_twins(offset_s)


async def _joined(port: int, offset_s: float) -> Mapping[str, str]:
    async with joined_twins(port, offset_s) as twins:
        return twins.env


def _own_twins(offset_s: float) -> Mapping[str, str]:
    """Twins that end with this process, also when it has become another program."""
    arguments = ["--port", "0", "--seed", str(SEED), "--watch-stdin"]
    if offset_s:
        arguments += ["--offset-s", repr(offset_s)]
    process = subprocess.Popen(  # noqa: S603 - our own module
        [sys.executable, "-P", "-m", "servers.sandbox", *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        raise ServerUnavailable("the vendor twins did not start")
    for end in (process.stdin, process.stdout):
        os.set_inheritable(end.fileno(), True)
    values: dict[str, str] = orjson.loads(line)["env"]
    return values

"""`swarm up` and `swarm queen`: the swarm as a service. Owns: their arguments and first words."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from guardrails.model import Mode
from orchestrator.cli_common import (
    DEFAULT_HIVE,
    ConfigOption,
    HiveOption,
    JsonOption,
    SandboxOption,
    guarded,
)
from orchestrator.cli_run import TwinsOption

if TYPE_CHECKING:
    from orchestrator.environment import Environment
    from orchestrator.serving import Ready

ModeOption = Annotated[
    Mode | None, typer.Option("--mode", help="Can only lower what production.json says.")
]
ConcurrencyOption = Annotated[
    int | None, typer.Option("--concurrency", min=1, max=256, help="Leads in flight.")
]
PortOption = Annotated[
    int | None,
    typer.Option("--port", min=0, max=65535, help="The gateway's, instead of production.json's."),
]


def register(app: typer.Typer) -> None:
    """Add `up` and `queen`."""
    app.command("up")(_up)
    app.command("queen")(_queen)


def _queen(
    sandbox: SandboxOption = False,
    hive: HiveOption = DEFAULT_HIVE,
    config: ConfigOption = None,
    mode: ModeOption = None,
    concurrency: ConcurrencyOption = None,
    twins: TwinsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Work on what comes in and what is due, until Ctrl-C or SIGTERM. `swarm up` starts it."""
    from orchestrator.begun import begin_early

    begun = begin_early(hive)  # it imports while we do
    from orchestrator.environment import Environment
    from orchestrator.options import Options
    from orchestrator.serving import serve

    def work() -> int:
        options = Options(
            hive=hive,
            sandbox=sandbox,
            config_path=config,
            mode=mode,
            concurrency=concurrency,
            twins_port=twins,
            begun=begun,
        )
        environment = Environment.read(Path(".env"))
        asyncio.run(serve(options, environment, _said_by_json if as_json else _said))
        return 0

    guarded(as_json, work)


def _up(
    sandbox: SandboxOption = False,
    hive: HiveOption = DEFAULT_HIVE,
    config: ConfigOption = None,
    mode: ModeOption = None,
    concurrency: ConcurrencyOption = None,
    port: PortOption = None,
    twins: TwinsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Start queen and gateway and keep both alive, until Ctrl-C or SIGTERM.

    With --json each says one line of JSON on stdout when it is ready.
    """
    from orchestrator.environment import Environment

    def work() -> int:
        environment = Environment.read(Path(".env"))
        if not sandbox:
            environment.require()  # named here, and not by a queen that dies again and again
        queen = ["--hive", str(hive)]
        queen += ["--config", str(config)] if config else []
        queen += ["--mode", mode.value] if mode else []
        queen += ["--concurrency", str(concurrency)] if concurrency else []
        queen += ["--json"] if as_json else []
        told = _Asked(hive, sandbox, config, port, twins, as_json)
        return asyncio.run(told.up(queen, environment))

    guarded(as_json, work)


class _Asked:
    """What `swarm up` was asked."""

    def __init__(
        self,
        hive: Path,
        sandbox: bool,
        config: Path | None,
        port: int | None,
        twins: int | None,
        as_json: bool,
    ) -> None:
        self._hive = hive
        self._sandbox = sandbox
        self._config = config
        self._port = port
        self._twins = twins
        self._as_json = as_json

    async def up(self, queen: list[str], environment: Environment) -> int:
        """Run both; in the sandbox over one set of twins, which ends with them."""
        from orchestrator.twins import joined_twins, running_twins, sandbox_offset

        if not self._sandbox:
            return await self._supervised(queen, environment, {})
        offset_s = sandbox_offset(environment.values, sandbox=True)
        twins = (
            joined_twins(self._twins, offset_s) if self._twins else running_twins(offset_s=offset_s)
        )
        async with twins as running:
            arguments = [*queen, "--sandbox", "--twins", str(running.port)]
            _err(f"vendor twins answer on port {running.port}")
            _err(f"their Slack is at http://127.0.0.1:{running.port}/slack/_people/")
            return await self._supervised(arguments, environment, running.env)

    async def _supervised(
        self, queen: list[str], environment: Environment, twins: Mapping[str, str]
    ) -> int:
        from orchestrator.gateway.ground import Options
        from orchestrator.gateway.spawn import command, variables
        from orchestrator.supervisor import Member, Supervisor

        options = Options(self._hive, self._sandbox, self._config, None, self._port)
        gateway = variables(environment.with_values(twins))
        swarm = [sys.executable, "-P", "-m", "orchestrator.cli", "queen", *queen]
        members = (
            Member("queen", swarm, dict(os.environ)),
            Member("gateway", command(options, as_json=self._as_json), gateway),
        )
        return await Supervisor(members, _err).run()


def _said(ready: Ready) -> None:
    servers = ", ".join(ready.servers)
    where = "sandbox, " if ready.sandbox else ""
    sys.stdout.write(f"The queen works ({where}mode {ready.mode}) with {servers}\n")
    sys.stdout.write(f"  state in {ready.hive}\n")
    sys.stdout.flush()


def _said_by_json(ready: Ready) -> None:
    sys.stdout.write(json.dumps(vars(ready)) + "\n")
    sys.stdout.flush()


def _err(text: str) -> None:
    sys.stderr.write(f"swarm: {text}\n")
    sys.stderr.flush()

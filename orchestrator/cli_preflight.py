"""`swarm preflight`: is it ready, and for which mode? Owns: its arguments."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from orchestrator.cli_common import (
    DEFAULT_HIVE,
    ConfigOption,
    HiveOption,
    JsonOption,
    SandboxOption,
    guarded,
)
from orchestrator.cli_run import TwinsOption


class EarnedMode(StrEnum):
    """The modes that have to be earned."""

    ASSISTED = "assisted"
    LIVE = "live"


def register(app: typer.Typer) -> None:
    """Add `preflight`."""
    app.command("preflight")(preflight)


def preflight(
    mode: Annotated[
        EarnedMode | None,
        typer.Option("--for", help="Put this mode on record as earned, if everything holds."),
    ] = None,
    override: Annotated[
        bool, typer.Option("--override", help="Enter it all the same; shown ever after.")
    ] = False,
    reason: Annotated[str, typer.Option("--reason", help="Of the override.")] = "",
    name: Annotated[str, typer.Option("--as", help="Whose override: an approver's name.")] = "",
    hive: HiveOption = DEFAULT_HIVE,
    config: ConfigOption = None,
    sandbox: SandboxOption = False,
    twins: TwinsOption = None,
    earned: Annotated[
        bool, typer.Option("--earned", help="With --sandbox: as strict as for real.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Try every key by a harmless read, look at everything the guide's checklists name.

    Exit 0 when everything holds that the mode needs (the configured one, or --for); 1 when
    something is open: it is named, with what to do next. Writes nothing at any vendor.
    shadow -> assisted -> live is earned for exactly this policy, bank schema and code: a change
    of any of them asks again. Lowering the mode is always immediate. See docs/go-live.md.
    """

    def work() -> int:
        from guardrails.errors import ConfigError
        from guardrails.model import Mode
        from orchestrator.environment import Environment
        from orchestrator.preflight.command import Wanted
        from orchestrator.preflight.command import preflight as fly
        from orchestrator.preflight.run import Asked

        if (twins is not None or earned) and not sandbox:
            raise ConfigError("--twins and --earned are of the sandbox", remedy="Give --sandbox.")
        asked = Asked(hive, sandbox, config, twins, must_earn=earned)
        wanted = Wanted(Mode(mode.value) if mode else None, override, reason, name)
        return fly(asked, wanted, Environment.read(Path(".env")), as_json=as_json)

    guarded(as_json, work)

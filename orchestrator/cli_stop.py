"""`swarm stop` and `swarm resume`: the red button and its release. Owns: their arguments."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from orchestrator.cli_common import DEFAULT_HIVE, ConfigOption, HiveOption, JsonOption, guarded
from orchestrator.cli_run import TwinsOption


def register(app: typer.Typer) -> None:
    """Add `stop` and `resume`."""
    app.command("stop")(_stop)
    app.command("resume")(_resume)


def _stop(
    reason: Annotated[str, typer.Option("--reason", help="Why; shown to everybody.")] = "",
    hive: Annotated[
        Path | None,
        typer.Option(
            "--hive",
            help="Only this one. Default: HIVE_MIND_DIR or .hive-mind, and every real hive in "
            "which servers run on this machine.",
        ),
    ] = None,
    config: ConfigOption = None,
    twins: TwinsOption = None,
    wait: Annotated[
        float,
        typer.Option("--wait", min=0, max=600, help="Seconds to wait for writes under way."),
    ] = 30.0,
    yes: Annotated[bool, typer.Option("--yes", help="Instead of STOP_SWARM=1.")] = False,
    as_json: JsonOption = False,
) -> None:
    """EMERGENCY STOP: nothing is written anywhere any more, campaigns are paused and read back.

    Needs STOP_SWARM=1 in the environment, or --yes; without them it explains itself. Exit 0 when
    all of it was verified, 1 when something was not (it is named), 2 when nothing was stopped.
    """
    from orchestrator.cli_press import StopArguments, press_stop

    asked = StopArguments(hive, reason, config, twins, wait, yes)
    guarded(as_json, lambda: press_stop(asked, as_json=as_json))


def _resume(
    reason: Annotated[str, typer.Option("--reason", help="Why it is safe; kept on the record.")],
    hive: HiveOption = DEFAULT_HIVE,
    as_json: JsonOption = False,
) -> None:
    """Lift a stop. A person at a terminal is asked, and sees first what would start again."""
    from orchestrator.resume import resume

    guarded(as_json, lambda: resume(hive, reason, as_json=as_json))
